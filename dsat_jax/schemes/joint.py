"""Joint schemes: the landmarks of several schemes side by side, for one network that learns from several datasets."""

from collections.abc import Iterable, Sequence

from dsat_jax.errors import UserError
from dsat_jax.schemes.conversion import can_convert, conversion_indices, in_w300
from dsat_jax.schemes.scheme import Part, Scheme


def join(schemes: Sequence[Scheme], tied: bool) -> Scheme:
    """Returns the scheme that joins several schemes.

    Its landmarks are those of the first scheme, followed by those of the others. Eye corners, lines and named landmarks
    are those of the first scheme; boundaries are those of all schemes.

    Args:
      schemes: schemes of datasets, each with another name.
      tied: whether landmarks at the same position of the face (`Scheme.same_in_w300`) are one landmark.

    Raises:
      UserError: if two schemes have the same name.
    """
    names = [scheme.name for scheme in schemes]
    if len(set(names)) < len(names):
        raise UserError(f"the schemes {', '.join(names)} cannot be joined, expected different names")
    parts, count = [], 0
    shared: dict[int, int] = {}  # landmark of w300_68 -> landmark of the joint scheme
    for scheme in schemes:
        common = in_w300(scheme) if tied else {}
        points = []
        for own in range(scheme.num_points):
            point = shared.get(common.get(own, -1), count)
            count += point == count
            points.append(point)
            if own in common:
                shared[common[own]] = point
        parts.append(Part(scheme, tuple(points)))
    first = schemes[0]
    return Scheme(
        name="+".join(names),
        num_points=count,
        mirror_pairs=_mirror_pairs(parts),
        boundaries=tuple(_renumbered(part.points, line) for part in parts for line in part.scheme.boundaries),
        eye_corners=first.eye_corners,
        pupils=first.pupils,
        lines=first.lines,
        nose_tip=first.nose_tip,
        mouth_corners=first.mouth_corners,
        chin=first.chin,
        eyelids=first.eyelids,
        parts=tuple(parts),
    )


def choose_part(scheme: Scheme, name: str | None) -> Scheme:
    """Returns a scheme that a network can predict.

    Args:
      scheme: scheme of the network.
      name: name of a part of a joint scheme, or of another scheme itself; None for the first part, or that scheme.

    Raises:
      UserError: if the name is neither.
    """
    parts = [part.scheme for part in scheme.parts] or [scheme]
    if name is None:
        return parts[0]
    for part in parts:
        if part.name == name:
            return part
    raise UserError(
        f"the network predicts {', '.join(part.name for part in parts)}, expected one of these, found {name!r}"
    )


def part_for(scheme: Scheme, labels: Scheme) -> Scheme:
    """Returns the scheme of a network's predictions that fits the labels of a dataset best.

    It is the scheme of the labels if the network predicts it, otherwise the first part to whose landmarks the labels
    can be converted, otherwise the first that can be converted to those of the labels.

    Args:
      scheme: scheme of the network.
      labels: scheme of the dataset.

    Raises:
      UserError: if no part fits.
    """
    parts = [part.scheme for part in scheme.parts] or [scheme]
    fitting = [
        *(part for part in parts if part == labels),
        *(part for part in parts if can_convert(labels, part)),
        *(part for part in parts if can_convert(part, labels)),
    ]
    if not fitting:
        conversion_indices(parts[0], labels)  # raises
    return fitting[0]


def _mirror_pairs(parts: Sequence[Part]) -> tuple[tuple[int, int], ...]:
    pairs = (_renumbered(part.points, pair) for part in parts for pair in part.scheme.mirror_pairs)
    return tuple(sorted({(min(pair), max(pair)) for pair in pairs}))


def _renumbered(points: Sequence[int], line: Iterable[int]) -> tuple[int, ...]:
    """Returns landmarks of a part as landmarks of the joint scheme."""
    return tuple(points[index] for index in line)
