"""Buckets on the command line that a mode cannot use."""

import pathlib

import pytest

from dsat_jax.command_line import prediction
from dsat_jax.errors import UserError
from dsat_jax.files import locations


@pytest.mark.parametrize(
    ("images", "out", "message"),
    [
        (["a.jpg", "gs://b/c.jpg"], "out", "^gs://b/c.jpg: images and videos are read from local folders"),
        (["a.jpg"], "gs://b/out", "^--out=gs://b/out: predictions are written to local folders"),
    ],
)
def test_predictions_are_local(bucket, images, out, message):
    with pytest.raises(UserError, match=message):
        prediction.predict(pathlib.Path("run"), None, images, locations.locate(out))
