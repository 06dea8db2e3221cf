"""Names of configurations on the command line, and the messages about fields that do not exist."""

import logging
import pathlib

import pytest
from absl import flags
from absl.testing import flagsaver

from dsat_jax.command_line import main, parsing

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("train.batchsize", "train.batch_size"),
        ("batch_size", "train.batch_size"),  # without its section
        ("train.learning_rate", "optimizer.learning_rate"),  # in another section
        ("optimiser.ema", "optimizer.ema"),
        ("model.encoder_layer", "model.encoder_layers"),  # a field of LOTR alone
        ("traim.steps", "train.steps"),
    ],
)
def test_similar_fields_are_suggested(asked, nearest):
    assert nearest in parsing._similar_fields(asked)


def test_a_name_unlike_all_fields_has_no_suggestion():
    assert parsing._similar_fields("zzz") == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run.py", "--config=w300:small"], ["run.py", "--config={configs}/w300.py:small"]),
        (["run.py", "--config", "w300"], ["run.py", "--config", "{configs}/w300.py"]),
        (["run.py", "-config", "w300"], ["run.py", "-config", "{configs}/w300.py"]),
        (["run.py", "--config=configs/w300.py:small"], ["run.py", "--config=configs/w300.py:small"]),
        (["run.py", "--config", "configs/cofw.py"], ["run.py", "--config", "configs/cofw.py"]),
        (
            ["run.py", "--config.train.steps=3", "--weights", "w300"],
            ["run.py", "--config.train.steps=3", "--weights", "w300"],
        ),
    ],
)
def test_a_name_of_a_configuration_becomes_the_path_of_its_file(arguments, expected):
    resolved = parsing.with_config_paths(arguments)
    assert resolved == [argument.format(configs=CONFIGS) for argument in expected]


@pytest.mark.parametrize("arguments", [["--config=w301"], ["--config", "w301:small"]])
def test_an_unknown_name_of_a_configuration_is_refused_with_the_known_ones(arguments):
    with pytest.raises(
        ValueError, match=r"no configuration is called w301 \(the nearest: w300\), .* aflw, cofw, .*, wflw"
    ):
        parsing.with_config_paths(["run.py", *arguments])


@pytest.fixture
def parsed():
    """Function that parses a command line and returns the mode, and the words that are its arguments."""

    def parse(*arguments: str) -> tuple[str, list[str]]:
        words = parsing.take_mode(flags.FLAGS(["run.py", *arguments])[1:], main.MODES)
        return flags.FLAGS["mode"].value, list(words)

    with flagsaver.flagsaver():
        flags.FLAGS["mode"].unparse()
        yield parse


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ("train", [])),
        (["predict"], ("predict", [])),
        (["predict", "a.jpg", "--out=b", "-"], ("predict", ["a.jpg", "-"])),
        (["--out=b", "predict", "predict"], ("predict", ["predict"])),
        (["--mode=predict", "a, b.jpg"], ("predict", ["a, b.jpg"])),
        (["compare", "runs/a", "train"], ("compare", ["runs/a", "train"])),
        (["evaluate", "--split=test"], ("evaluate", [])),
        (["predict", "--", "--odd.jpg"], ("predict", ["--odd.jpg"])),
    ],
)
def test_the_first_word_or_the_flag_is_the_mode(parsed, arguments, expected):
    assert parsed(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["predict", "--mode=evaluate"],
            "predict and --mode=evaluate both name a mode, expected one of them",
        ),
        (["--mode=predict", "predict"], "predict and --mode=predict both name a mode"),
        (
            ["photo.jpg"],
            "photo.jpg is not a mode, expected train, evaluate, predict, export, compare, benchmark, plan",
        ),
        (["perdict", "photo.jpg"], "perdict is not a mode"),
    ],
)
def test_no_mode_and_two_modes_are_refused(parsed, arguments, message):
    with pytest.raises(ValueError, match=message):
        parsed(*arguments)


def test_a_warning_is_a_line_like_an_error():
    record = logging.LogRecord("absl", logging.WARNING, "file.py", 1, "%d faces of %s", (2, "a.jpg"), None)
    assert parsing.Notices().format(record) == "warning: 2 faces of a.jpg"
