"""Configurations: files, overrides on the command line, and the stored one in a run folder."""

import copy
import functools
import json
import pathlib
from collections.abc import Sequence

from bad_inputs.corpus import ROOT, Case, Kind, put_all, run_message, write
from bad_inputs.documents import NO_JSON

from dsat_jax.config import default, save_config

FILE = "mine.py"
START = (
    "from dsat_jax.config import default\n\n"
    "def get_config():\n    config = default()\n    config.data.data_dir = '/nothing/here'\n"
)
W300 = f"--config={ROOT / 'configs' / 'w300.py'}:small"


def body(*lines: str) -> str:
    """A configuration file with some lines after the default; they start at line 6."""
    return START + "".join(f"    {line}\n" for line in lines)


def enter_file(root: pathlib.Path) -> str | None:
    message = run_message(f"--config={root / FILE}")
    return None if message is None or "w300 has not been built there" in message else message


FILE_CASES = put_all(
    FILE,
    {
        "nothing": ("", "has no function get_config, expected a configuration"),
        "text": ("hello, this is a text", "line 1: SyntaxError"),
        "JSON": ('{"a": null}', "line 1: NameError"),
        "zeros": (bytes(20), "SyntaxError: source code string cannot contain null bytes"),
        "bytes that are no text": (b"x = '\xff'", "SyntaxError"),
        "cut in a line": (body("config.train.update("), "line 6: SyntaxError"),
        "another function": ("def config():\n    return 3\n", "has no function get_config"),
        "get_config is a number": ("get_config = 3\n", "mine.py: TypeError: 'int' object is not callable"),
        "get_config needs something": ("def get_config(a, b):\n    return a\n", "missing 2 required positional"),
        "it returns nothing": (body(), "found None, expected a ConfigDict from get_config"),
        "it returns a dictionary": ("def get_config():\n    return {'name': 1}\n", "found {'name': 1}, expected"),
        "it returns a number": ("def get_config():\n    return 3\n", "found 3, expected a ConfigDict"),
        "it is empty": ("from ml_collections import ConfigDict as get_config\n", "names the model None"),
        "it raises at once": ("raise RuntimeError('no')\n", "line 1: RuntimeError: no"),
        "it raises": (body("raise ArithmeticError('no')"), "line 6: ArithmeticError: no"),
        "it raises ValueError": (body("raise ValueError('no')"), "mine.py: no"),
        "it divides by zero": (body("1 / 0"), "line 6: ZeroDivisionError: division by zero"),
        "it fails deep inside": (body("import json", "json.loads([])"), "mine.py: TypeError: the JSON object must be"),
        "it asks for a key that is missing": (body("{}['x']"), "line 6: KeyError: 'x'"),
        "it calls itself": ("def get_config():\n    return get_config()\n", "line 2: RecursionError"),
        "it imports what is missing": ("import nothing_of_this_name\n", "line 1: ModuleNotFoundError"),
        "it opens what is missing": (body("open('/nothing/here')"), "No such file or directory: '/nothing/here'"),
        "an unknown field": (body("config.train.epochs = 3", "return config"), "not the other: train.epochs"),
        "a new field": (body("config.epochs = 3", "return config"), "fields in one but not the other: epochs"),
        "a field is missing": (body("del config.seed", "return config"), "fields in one but not the other: seed"),
        "a text for a number": (body("config.train.steps = 'many'"), "mine.py: TypeError: Could not override field"),
        "a number for a section": (body("config.train = 3", "return config"), "mine.py: TypeError: "),
        "an unknown model": (body("config.model.name = 'vgg'", "return config"), "names the model 'vgg', expected one"),
        "no steps": (body("config.train.steps = 0", "return config"), "train.steps is 0, expected a whole number"),
    },
)  # fmt: skip
FILE_CASES["it opens what is missing"] = Case(
    FILE_CASES["it opens what is missing"].spoil, ("No such file or directory: '/nothing/here'",)
)


def prepare_file(root: pathlib.Path) -> None:
    write(root / FILE, body("return config"))


ASKED = "asked.json"  # the arguments of a case


def ask(arguments: Sequence[str], *parts: str) -> Case:
    return Case(lambda root: write(root / ASKED, list(arguments)), parts)


def override(argument: str, *parts: str) -> Case:
    return ask([W300, argument], *parts)


def prepare_asked(root: pathlib.Path) -> None:
    write(root / ASKED, [W300, "--config.train.steps=3"])


def enter_asked(root: pathlib.Path) -> str | None:
    first, *others = json.loads((root / ASKED).read_text())
    message = run_message(first, f"--config.data.data_dir={root}", *others)
    return None if message is None or "w300 has not been built there" in message else message


TWO = "expected 2 numbers from 0.01 to 100, the lower one first"
OVERRIDE_CASES = {
    "a word for a whole number": override("--config.train.steps=many", "--config.train.steps=many: invalid literal"),
    "a decimal for a whole number": override("--config.train.steps=1.5", "flag --config.train.steps=1.5: invalid"),
    "nothing for a whole number": override("--config.train.steps=", "flag --config.train.steps=: invalid literal"),
    "too large a number": override(f"--config.train.steps={10**30}", f"train.steps is {10**30}, expected a whole"),
    "a negative number": override("--config.train.steps=-5", "w300.py:small: train.steps is -5, expected"),
    "an empty batch": override("--config.train.batch_size=0", "train.batch_size is 0, expected a whole number from 1"),
    "a word for a number": override("--config.optimizer.learning_rate=fast", "could not convert string to float"),
    "NaN for a number": override("--config.optimizer.learning_rate=nan", "optimizer.learning_rate is nan, expected"),
    "infinity for a number": override("--config.loss.sigma=inf", "loss.sigma is inf, expected a number from 0.01"),
    "a share of two": override("--config.augment.mirror=2", "augment.mirror is 2.0, expected a number from 0 to 1"),
    "a word for a boolean": override("--config.evaluate.mirror=maybe", "flag --config.evaluate.mirror=maybe: "),
    "one for two": override("--config.augment.scale=1", "augment.scale is (1,)", TWO),
    "three for two": override("--config.augment.scale=(1, 2, 3)", "augment.scale is (1, 2, 3)", TWO),
    "the higher one first": override("--config.augment.scale=(1.2, 0.9)", "augment.scale is (1.2, 0.9)", TWO),
    "words for numbers": override("--config.augment.scale=('a', 'b')", "augment.scale is ('a', 'b')", TWO),
    "numbers for words": override("--config.data.test=(1, 2)", "data.test is (1, 2), expected any number of texts"),
    "a number for a section": override("--config.train=5", "flag --config.train=5: Failed to parse '5'"),
    "another section": override("--config.train={'a': 1}", "fields in one but not the other: train.a, "),
    "another model": override("--config.model={'name': 'vgg'}", "names the model 'vgg', expected one of dsat, lotr"),
    "no name": override("--config.name=", "name is '', expected some text"),
    "an input of one pixel": override("--config.input.size=1", "input.size is 1, expected a whole number from 16"),
    "an unknown field": override("--config.train.epochs=3", "no field train.epochs (the nearest: train.steps, "),
    "an unknown section": override("--config.training.steps=3", "no field training.steps (the nearest: train.steps, "),
    "a field of a text": override("--config.name.x=1", "does not have the fields of", "--config.name.x=1"),
    "a field of no name": override("--config.train.=3", "Could not parse 'train.'"),
    "no value": override("--config.seed", "Missing value for flag --config.seed"),
    "before the configuration": ask(["--config.seed=3", W300], "Found --config.seed=3 in argv before a value"),
    "no configuration": ask(["--mode=train"], "Unknown command line flag 'config.data.data_dir'; such fields"),
    "an empty configuration": ask(["--config="], "Path to config file is an empty string"),
    "a configuration that is missing": ask(["--config=absent.py"], "No such file or directory: 'absent.py'"),
    "a configuration that is a folder": ask([f"--config={ROOT}"], f"Is a directory: '{ROOT}'"),
    "a device for a configuration": ask(["--config=/dev/null"], "/dev/null has no function get_config"),
    "an unknown penalty": override("--config.loss.penalty=mse", "config.loss.penalty is 'mse', expected one of "),
    "an unknown gate": override("--config.model.gate=soft", "config.model.gate is 'soft', expected one of none, "),
    "an unknown normaliser": override("--config.evaluate.normaliser=eye", "evaluate.normaliser is 'eye', expected"),
    "an unknown schedule": override("--config.optimizer.schedule=warm", "optimizer.schedule is 'warm', expected one"),
    "an unknown variant": ask([f"{W300}er"], "unknown variant of configs/w300.py 'smaller', expected one of dsat, "),
    "an empty variant": ask([W300.removesuffix("small")], "unknown variant of configs/w300.py ''"),
    "an unknown dataset": override("--config.data.dataset=faces", "no dataset is called 'faces'; there are aflw19, "),
    "a dataset above the builders": override("--config.data.dataset=../w300", "no dataset is called '..'; there are"),
    "an unknown form of a dataset": override("--config.data.dataset=w300/cut", "has no configuration called 'cut'"),
}  # fmt: skip

RUN = "run/config.json"
VALUES = default().to_dict()


def prepare_run(root: pathlib.Path) -> None:
    save_config(default(), root / "run")


def enter_run(root: pathlib.Path) -> str | None:
    message = run_message("--mode=evaluate", f"--workdir={root / 'run'}")
    return None if message is None or "checkpoint" in message else message


def saved(path: str, value: object) -> dict:
    """The default configuration with another value of a field."""
    values = copy.deepcopy(VALUES)
    *sections, field = path.split(".")
    functools.reduce(dict.__getitem__, sections, values)[field] = value
    return values


def lacking(path: str) -> dict:
    values = saved(path, None)
    *sections, field = path.split(".")
    del functools.reduce(dict.__getitem__, sections, values)[field]
    return values


DIFFERING = "does not fit this version: fields in one but not the other:"
RUN_CASES = put_all(RUN, {name: case for name, case in NO_JSON.items() if name != "a key twice"}) | put_all(
    RUN,
    {
        "a list": ([], "found [], expected the configuration of a run"),
        "null": (None, "found None, expected the configuration"),
        "an empty object": ({}, "names the model None, expected one of dsat, lotr"),
        "a section twice": ('{"model": {}, "model": {}}', "the key 'model' appears twice"),
        "no model": (lacking("model"), "names the model None"),
        "a model that is text": (saved("model", "dsat"), "names the model None"),
        "a model in a list": (saved("model.name", ["dsat"]), "names the model ['dsat'], expected one of dsat, lotr"),
        "an unknown model": (saved("model.name", "vgg"), "names the model 'vgg', expected one of dsat, lotr"),
        "fields of another model": (saved("model.name", "lotr"), DIFFERING, "model.backbone"),
        "an older version": (lacking("train.reader_threads"), DIFFERING, "train.reader_threads"),
        "a newer version": (saved("train.epochs", 3), DIFFERING, "train.epochs"),
        "a section that is a number": (saved("train", 3), "train is 3, expected an object with fields"),
        "a section for a number": (saved("seed", {}), "seed is {}, expected a whole number from 0"),
        "a text for a number": (saved("train.steps", "7"), "train.steps is '7', expected a whole number from 1"),
        "true for a number": (saved("train.steps", True), "train.steps is True, expected a whole number from 1"),
        "null for a number": (saved("input.size", None), "input.size is None, expected a whole number from 16"),
        "a decimal for a whole number": (saved("input.size", 96.5), "input.size is 96.5, expected a whole number"),
        "NaN": (saved("evaluate.threshold", float("nan")), "evaluate.threshold is nan, expected a number"),
        "infinity": (saved("input.enlarge", float("inf")), "input.enlarge is inf, expected a number from 0 to 10"),
        "beyond any float": (saved("input.enlarge", 10**400), "input.enlarge is 1000", "expected a number"),
        "one for a boolean": (saved("evaluate.mirror", 1), "evaluate.mirror is 1, expected true or false"),
        "a number for a text": (saved("evaluate.decoder", 3), "evaluate.decoder is 3, expected text"),
        "a text for texts": (saved("data.test", "test"), "data.test is 'test', expected any number of texts"),
        "two of three": (saved("input.mean", [0, 0]), "input.mean is [0, 0], expected 3 numbers from 0"),
        "an object in a list": (saved("input.std", [1, 1, {}]), "input.std is [1, 1, {}], expected 3 numbers"),
        "a batch of nothing": (saved("evaluate.batch_size", 0), "evaluate.batch_size is 0, expected a whole number"),
        "an input of gigapixels": (saved("input.size", 10**6), "input.size is 1000000, expected a whole number"),
        "nested deeply": ('{"model": ' * 900 + "1" + "}" * 900, "names the model None"),
    },
)  # fmt: skip
RUN_CASES |= {
    name: Case(lambda root, value=value: write(root / RUN, saved("data.scheme", value)), parts)
    for name, value, parts in (
        ("an unknown scheme", "w68", ["config.data.scheme: unknown scheme 'w68'"]),
        ("a scheme that is no JSON", "{", ["config.data.scheme: not JSON"]),
        ("a scheme nested too deeply", '{"a":' * 50_000, ["config.data.scheme: not JSON that can be read"]),
        ("a scheme that is empty", "{}", ["config.data.scheme: unknown nothing, missing"]),
    )
}

KINDS = {
    "configuration files": Kind(prepare_file, enter_file, FILE_CASES),
    "overrides": Kind(prepare_asked, enter_asked, OVERRIDE_CASES),
    "config.json of a run": Kind(prepare_run, enter_run, RUN_CASES),
}
