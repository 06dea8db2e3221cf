"""Checks of a configuration: its fields, their types, and the ranges of their values."""

import reprlib
from collections.abc import Iterator, Mapping

from dsat_jax import limits
from dsat_jax.errors import UserError

LARGEST = 2**31 - 1  # upper limit of every number
_SHARES = (
    *(
        f"augment.{name}"
        for name in (
            "mirror",
            "any_rotation",
            "turn",
            "grey",
            "low_resolution",
            "occlusion",
            "cover",
            "low_light",
        )
    ),
    *(f"augment.{name}" for name in ("over_exposure", "blur", "motion_blur", "noise", "small_faces", "jpeg")),
    *(f"optimizer.{name}" for name in ("b1", "b2", "step_at", "ema")),
    *(f"model.{name}" for name in ("embedding_dropout", "attention_dropout", "dropout")),
)
_FROM_ONE = (
    *(f"train.{name}" for name in ("steps", "log_every", "evaluate_every", "save_every", "accumulate")),
    "mesh.model",
)
# A weights file of unknown origin may describe any network. These bounds limit the memory and time of checking it.
_WIDTHS = tuple(f"model.{name}" for name in ("width", "heads", "dim", "feed_forward", "head_width"))
_DEPTHS = tuple(f"model.{name}" for name in ("stacks", "transformer_layers", "encoder_layers"))
# Lowest and highest value of a number, or of each number of a list. Fields without an entry range from 0 to `LARGEST`.
RANGES = {
    **dict.fromkeys(_SHARES, (0, 1)),
    **dict.fromkeys(_FROM_ONE, (1, LARGEST)),
    **dict.fromkeys(("train.batch_size", "evaluate.batch_size"), (1, 2**20)),
    **dict.fromkeys(_WIDTHS, (1, 2**16)),
    **dict.fromkeys(_DEPTHS, (0, 64)),
    "model.head_channels": (0, 2**16),
    "model.decoder_layers": (1, 64),
    "model.upsamplings": (0, 5),
    "train.reader_processes": (0, 1024),
    "input.size": limits.INPUT_SIZE,
    "input.std": (1e-6, LARGEST),
    "input.enlarge": limits.ENLARGE,
    "augment.rotation": (0, 360),
    "augment.perspective": (0, 0.4),
    "augment.turn_yaw": (0, 80),
    "augment.turn_pitch": (0, 40),
    "augment.scale": (0.01, 100),
    "augment.shift": (0, 10),
    "augment.low_resolution_share": (0.05, 1),
    "augment.occlusion_largest": (0.1, 1),  # the smallest rectangle has a side of 0.1
    "augment.low_light_stops": (0, 16),
    "augment.over_exposure_stops": (0, 16),
    "augment.blur_sigma": (0, 0.25),
    "augment.motion_blur_length": (0, 0.5),
    "augment.noise_sigma": (0, 1),
    "augment.small_faces_sides": (2, limits.INPUT_SIZE[1]),
    "augment.jpeg_quality": (1, 100),
    "loss.sigma": (0.01, LARGEST),
    "train.stall_seconds": (0.01, LARGEST),
    "evaluate.threshold": (1e-6, LARGEST),
}
INTERVALS = (
    *(
        f"augment.{name}"
        for name in ("scale", "gain", "low_light_stops", "over_exposure_stops", "blur_sigma")
    ),
    *(
        f"augment.{name}"
        for name in ("motion_blur_length", "noise_sigma", "small_faces_sides", "jpeg_quality")
    ),
)  # lists of (low, high)
ANY_LENGTH = ("data.test", "data.mixture", "optimizer.step_at")
NOT_EMPTY = ("name", "data.dataset", "data.train", "data.validation")


def check(values: Mapping[str, object], default: Mapping[str, object], where: str) -> None:
    """Refuses values that are not a valid configuration.

    Args:
      values: nested fields, from `ConfigDict.to_dict` or decoded from JSON.
      default: default configuration of the same model; its values determine the type of each field.
      where: origin of the values, for error messages.

    Raises:
      UserError: if a field is missing or unknown, or has a wrong type or a value out of its range; the message names
        all such fields.
    """
    differing = sorted(_differing(values, default))
    if differing:
        raise UserError(
            f"{where} does not fit this version: fields in one but not the other: {', '.join(differing)}"
        )
    problems = list(_problems(values, default)) or list(_conflicts(values))
    if problems:
        raise UserError(f"{where}: {'; '.join(problems)}")


def _differing(
    values: Mapping[str, object], default: Mapping[str, object], section: str = ""
) -> Iterator[str]:
    """Yields the names of the fields that only one of the two mappings has."""
    for name in {*values, *default}:
        value, expected = values.get(name), default.get(name)
        if name not in default or name not in values:
            yield f"{section}{name}"
        elif isinstance(value, dict) and isinstance(expected, dict):
            yield from _differing(value, expected, f"{section}{name}.")


def _problems(
    values: Mapping[str, object], default: Mapping[str, object], section: str = ""
) -> Iterator[str]:
    """Yields a clause of the error message for each value that does not fit its field."""
    for key, expected in default.items():
        name, value = f"{section}{key}", values[key]
        if isinstance(expected, dict) and isinstance(value, dict):
            yield from _problems(value, expected, f"{name}.")
            continue
        fits, form = _field(name, value, expected)
        if not fits:
            yield f"{name} is {reprlib.repr(value)}, expected {form}"


def _conflicts(values: Mapping[str, object]) -> Iterator[str]:
    """Yields a clause of the error message for each field that another field excludes; all fields are valid."""
    if not values.get("data", {}).get("resident"):
        return
    for field, expected in (
        ("augment.cover", 0),
        ("augment.perspective", 0),
        ("augment.turn", 0),
        ("train.keep_decoded", False),
        ("train.reader_processes", 0),
    ):
        section, name = field.split(".")
        value = values.get(section, {}).get(name, expected)
        if value != expected:
            yield f"{field} is {value}, expected {expected} with data.resident, which leaves no image to the reader"


def _field(name: str, value: object, default: object) -> tuple[bool, str]:
    """Returns whether a value fits its field, and a description of the expected values."""
    if isinstance(default, dict):
        return False, "an object with fields"
    if isinstance(default, bool):
        return isinstance(value, bool), "true or false"
    if isinstance(default, int | float):
        return _is_number(name, value, default), f"a {_number_form(name, default)}"
    if isinstance(default, tuple):
        return _list_field(name, value, default)
    if default is None:
        return value is None or isinstance(value, str), "some text or nothing"
    if name in NOT_EMPTY:
        return isinstance(value, str) and bool(value.strip()), "some text"
    return isinstance(value, str), "text"


def _list_field(name: str, value: object, default: tuple) -> tuple[bool, str]:
    count = "any number of" if name in ANY_LENGTH else len(default)
    of_texts = not default or isinstance(default[0], str)
    form = f"{count} {'texts' if of_texts else _number_form(name, default[0], 's')}"
    form += ", the lower one first" if name in INTERVALS else ""
    if not isinstance(value, list | tuple) or (name not in ANY_LENGTH and len(value) != len(default)):
        return False, form
    if of_texts:
        return all(isinstance(text, str) and text for text in value), form
    fits = all(_is_number(name, number, default[0]) for number in value)
    return fits and (name not in INTERVALS or value[0] <= value[1]), form


def _is_number(name: str, value: object, default: float) -> bool:
    low, high = RANGES.get(name, (0, LARGEST))
    if type(value) is not int and not (isinstance(default, float) and type(value) is float):
        return False
    return low <= value <= high  # false for NaN and infinity


def _number_form(name: str, default: float, plural: str = "") -> str:
    low, high = RANGES.get(name, (0, LARGEST))
    return f"{'' if isinstance(default, float) else 'whole '}number{plural} from {low} to {high}"
