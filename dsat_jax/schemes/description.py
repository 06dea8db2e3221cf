"""A landmark scheme in a few lines of JSON: one of a user's own, and how a run and a dataset remember theirs."""

from collections.abc import Mapping, Sequence

from dsat_jax.errors import UserError
from dsat_jax.schemes.scheme import Scheme

_NEEDED = ("name", "num_points", "mirror_pairs", "normaliser_points")
MOST_POINTS = 10_000
FIELDS = (*_NEEDED, "lines", "boundaries")


def parse_description(values: object, where: str) -> Scheme:
    """Reads the description of a scheme.

    Args:
      values: an object with the keys `FIELDS`: a name; the number of points; [a, b] of the points that a mirror
        exchanges; the two points whose distance normalises errors; polylines to draw, and those that a network
        with boundary heatmaps predicts (either may be left out).
      where: it was found, for errors.

    Returns:
      A scheme whose eye corners and pupils are both the two normaliser points.

    Raises:
      ValueError: if something is missing, unknown or does not fit; the message names it.
    """
    _check_fields(values, where)
    count = values["num_points"]
    if type(count) is not int or not 2 <= count <= MOST_POINTS:
        raise UserError(f"{where}: num_points is {count!r}, expected a whole number from 2 to {MOST_POINTS}")
    if not isinstance(values["name"], str) or not values["name"]:
        raise UserError(f"{where}: name is {values['name']!r}, expected some text")
    ends = _normaliser_points(values["normaliser_points"], count, where)
    scheme = Scheme(
        name=values["name"],
        num_points=count,
        mirror_pairs=_mirror_pairs(values["mirror_pairs"], count, where),
        boundaries=_index_lists(values.get("boundaries", []), count, f"{where}: boundaries"),
        eye_corners=ends,
        pupils=(ends[:1], ends[1:]),
        lines=_index_lists(values.get("lines", []), count, f"{where}: lines"),
    )
    try:
        _ = scheme.boundary_mirror_permutation
    except KeyError as error:
        raise UserError(
            f"{where}: boundaries: one of them has no mirror image among them; by mirror_pairs each must be "
            "another one or itself"
        ) from error
    return scheme


def describe(scheme: Scheme) -> dict[str, object]:
    """The description that `parse_description` reads."""
    return {
        "name": scheme.name,
        "num_points": scheme.num_points,
        "mirror_pairs": [list(pair) for pair in scheme.mirror_pairs],
        "normaliser_points": list(scheme.eye_corners),
        "lines": [list(line) for line in scheme.lines],
        "boundaries": [list(boundary) for boundary in scheme.boundaries],
    }


def _check_fields(values: object, where: str) -> None:
    fields = ", ".join(FIELDS)
    if not isinstance(values, Mapping):
        raise UserError(
            f"{where}: found {values!r}, expected the name of a scheme or an object with {fields}"
        )
    unknown = ", ".join(sorted(set(values) - set(FIELDS))) or "nothing"
    missing = ", ".join(sorted(set(_NEEDED) - set(values))) or "nothing"
    if (unknown, missing) != ("nothing", "nothing"):
        raise UserError(f"{where}: unknown {unknown}, missing {missing}; a scheme has {fields}")


def _mirror_pairs(values: object, count: int, where: str) -> tuple[tuple[int, int], ...]:
    pairs = _index_lists(values, count, f"{where}: mirror_pairs")
    for pair in pairs:
        if len(pair) != 2:
            raise UserError(f"{where}: mirror_pairs has {list(pair)}, expected two points")
    mirrored = [index for pair in pairs for index in pair]
    twice = sorted({index for index in mirrored if mirrored.count(index) > 1})
    if twice:
        raise UserError(f"{where}: mirror_pairs names point {twice[0]} more than once")
    return pairs


def _normaliser_points(values: object, count: int, where: str) -> tuple[int, int]:
    (ends,) = _index_lists([values], count, f"{where}: normaliser_points")
    if len(set(ends)) != 2 or len(ends) != 2:
        raise UserError(f"{where}: normaliser_points is {list(ends)}, expected two different points")
    return ends


def _index_lists(values: object, count: int, where: str) -> tuple[tuple[int, ...], ...]:
    """Lists of points 0..count - 1, each of at least one."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise UserError(f"{where}: found {values!r}, expected a list of lists of points")
    for line in values:
        if not isinstance(line, Sequence) or isinstance(line, str) or not line:
            raise UserError(f"{where}: found {line!r}, expected a list of points")
        for index in line:
            if type(index) is not int or not 0 <= index < count:
                raise UserError(f"{where}: found the point {index!r}, expected 0 to {count - 1}")
    return tuple(tuple(line) for line in values)
