"""JSON descriptions of landmark schemes: custom schemes, and the scheme that a run or a dataset stores."""

from collections.abc import Mapping, Sequence

from dsat_jax.errors import UserError
from dsat_jax.schemes.scheme import Scheme
from dsat_jax.schemes.w300_68 import W300_68

_NEEDED = ("name", "num_points", "mirror_pairs", "normaliser_points")
MOST_POINTS = 10_000
FIELDS = (*_NEEDED, "lines", "boundaries", "same_in_w300")


def parse_description(values: object, where: str) -> Scheme:
    """Returns the scheme of a JSON description.

    Args:
      values: object with the keys `FIELDS`: a name; the number of points; pairs [a, b] of points that a mirror
        exchanges; the two points whose distance normalises errors; optionally the polylines to draw, the boundaries of
        the network's boundary heatmaps, and the pairs [a, b] of a point and the point of `w300_68` at the same position
        of the face.
      where: origin of the description, for error messages.

    Returns:
      Scheme whose eye corners and whose pupils are the two normaliser points.

    Raises:
      UserError: if a field is missing, unknown or invalid; the message names it.
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
        same_in_w300=_same_points(values.get("same_in_w300", []), count, f"{where}: same_in_w300"),
    )
    _check_same_points(scheme, f"{where}: same_in_w300")
    try:
        _ = scheme.boundary_mirror_permutation
    except KeyError as error:
        raise UserError(
            f"{where}: boundaries: one of them has no mirror image among them; mirror_pairs must map each boundary to "
            "a boundary"
        ) from error
    return scheme


def describe(scheme: Scheme) -> dict[str, object]:
    """Returns the description of a scheme that `parse_description` reads."""
    description = {
        "name": scheme.name,
        "num_points": scheme.num_points,
        "mirror_pairs": [list(pair) for pair in scheme.mirror_pairs],
        "normaliser_points": list(scheme.eye_corners),
        "lines": [list(line) for line in scheme.lines],
        "boundaries": [list(boundary) for boundary in scheme.boundaries],
    }
    if scheme.same_in_w300:
        description["same_in_w300"] = [list(pair) for pair in scheme.same_in_w300]
    return description


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
    repeated = sorted({index for index in mirrored if mirrored.count(index) > 1})
    if repeated:
        raise UserError(f"{where}: mirror_pairs names point {repeated[0]} more than once")
    return pairs


def _same_points(values: object, count: int, where: str) -> tuple[tuple[int, int], ...]:
    pairs = _index_lists(values, MOST_POINTS, where)
    for pair in pairs:
        if len(pair) != 2 or pair[0] >= count or pair[1] >= W300_68.num_points:
            raise UserError(
                f"{where} has {list(pair)}, expected a point from 0 to {count - 1} and one of w300_68, from 0 to "
                f"{W300_68.num_points - 1}"
            )
    for points in zip(*pairs, strict=True):
        repeated = [point for point in points if points.count(point) > 1]
        if repeated:
            raise UserError(f"{where} names point {repeated[0]} more than once")
    return pairs


def _check_same_points(scheme: Scheme, where: str) -> None:
    """Refuses pairs whose mirror images are not among the pairs."""
    own, common = scheme.mirror_permutation, W300_68.mirror_permutation
    for a, b in scheme.same_in_w300:
        mirrored = (int(own[a]), int(common[b]))
        if mirrored not in scheme.same_in_w300:
            raise UserError(f"{where} has {[a, b]} without its mirror image {list(mirrored)}")


def _normaliser_points(values: object, count: int, where: str) -> tuple[int, int]:
    (ends,) = _index_lists([values], count, f"{where}: normaliser_points")
    if len(set(ends)) != 2 or len(ends) != 2:
        raise UserError(f"{where}: normaliser_points is {list(ends)}, expected two different points")
    return ends


def _index_lists(values: object, count: int, where: str) -> tuple[tuple[int, ...], ...]:
    """Returns lists of points 0 to count - 1 as tuples; refuses empty lists."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise UserError(f"{where}: found {values!r}, expected a list of lists of points")
    for line in values:
        if not isinstance(line, Sequence) or isinstance(line, str) or not line:
            raise UserError(f"{where}: found {line!r}, expected a list of points")
        for index in line:
            if type(index) is not int or not 0 <= index < count:
                raise UserError(f"{where}: found the point {index!r}, expected 0 to {count - 1}")
    return tuple(tuple(line) for line in values)
