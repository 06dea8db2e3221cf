"""What the command line says of fields that do not exist."""

import pytest

from dsat_jax.command_line import parsing


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("train.batchsize", "train.batch_size"),
        ("batch_size", "train.batch_size"),  # the section forgotten
        ("train.learning_rate", "optimizer.learning_rate"),  # in another section
        ("optimiser.ema", "optimizer.ema"),
        ("model.encoder_layer", "model.encoder_layers"),  # of LOTR alone
        ("traim.steps", "train.steps"),
    ],
)
def test_the_nearest_field_is_named(asked, nearest):
    assert nearest in parsing._meant(asked)


def test_a_name_like_no_other_has_no_nearest():
    assert parsing._meant("zzz") == ""
