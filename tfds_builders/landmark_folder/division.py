"""The division of the images into training and test split; all faces of an image are in the same split."""

import dataclasses
import hashlib
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence

from dsat_jax.errors import UserError
from dsat_jax.files.text_files import decode
from tfds_builders import BuildError
from tfds_builders.landmark_folder.annotation import Annotation
from tfds_builders.landmark_folder.options import Options
from tfds_builders.raw_files import stays_inside

SPLITS = ("train", "test")
TEST_SHARE = 0.1
_FOR_TESTING = re.compile(r"(?<![a-z])(val|valid|validation|test)(?![a-z])")


@dataclasses.dataclass(frozen=True)
class Division:
    """The division that a folder's options define.

    Attributes:
      listed: split -> the images of its list, paths relative to the folder; only splits that have a list.
      missing: split -> one line for each entry of its list without an image.
      test_share: share of the images in the test split if there are no lists.
    """

    listed: Mapping[str, frozenset[str]]
    missing: Mapping[str, Sequence[str]]
    test_share: float

    def split_of(self, picture: str) -> str | None:
        """The split of an image, given its path relative to the folder; None for neither."""
        for split, pictures in self.listed.items():
            if picture in pictures:
                return split
        if len(self.listed) == 2:
            return None
        if self.listed:
            return "train" if "test" in self.listed else "test"
        return "test" if share_of(picture) < self.test_share else "train"


def make_division(root: pathlib.Path, options: Options, find: Callable[[str], Sequence[str]]) -> Division:
    """Reads the lists that a folder's options name.

    Args:
      root: the folder.
      options: options of the folder.
      find: function from an entry to its images, see `folder.make_finder`.

    Raises:
      BuildError: if a list is missing, has none of the folder's images, or has an entry that fits several images
        or leads out of the folder; or if an image is in both lists.
    """
    listed, missing = {}, {}
    files = {"train": options.train, "test": options.test if isinstance(options.test, str) else None}
    for split, file in files.items():
        if file is not None:
            listed[split], missing[split] = _read_list(root, file, find)
    both = sorted(listed.get("train", frozenset()) & listed.get("test", frozenset()))
    if both:
        raise BuildError(f"{root}: {both[0]} is both in {options.train} and in {options.test}")
    return Division(listed, missing, options.test if isinstance(options.test, int | float) else TEST_SHARE)


def by_file(
    root: pathlib.Path,
    points: Sequence[str],
    annotations: Sequence[Annotation],
    find: Callable[[str], Sequence[str]],
) -> Division | None:
    """The division that the names of several files of points tell, such as train.json and val.json.

    Args:
      root: the folder.
      points: files of the points of all images.
      annotations: the annotations in them.
      find: function from a name to its images, see `folder.make_finder`.

    Returns:
      Division with the images of the files for testing in the test split; None if not both kinds of files are there.

    Raises:
      BuildError: if an image is in files of both kinds.
    """
    if len(set(map(is_for_testing, points))) < 2:
        return None
    images: dict[bool, set[str]] = {True: set(), False: set()}
    for annotation in annotations:
        file = next(file for file in points if annotation.source.startswith(f"{file}, "))
        images[is_for_testing(file)].update(find(annotation.picture))
    both = sorted(images[True] & images[False])
    if both:
        raise BuildError(
            f"{root}: {both[0]} is in files for training and for testing, of {', '.join(points)}"
        )
    return Division({"test": frozenset(images[True])}, {"test": []}, TEST_SHARE)


def is_for_testing(file: str) -> bool:
    """Whether a file of points is for testing by its name: val.json, faces_test.json, person_keypoints_val2017.json."""
    return _FOR_TESTING.search(pathlib.PurePosixPath(file).stem.lower()) is not None


def share_of(picture: str) -> float:
    """A number from 0 to 1 that depends on an image's path alone, not on the other images of the folder."""
    return int.from_bytes(hashlib.sha256(picture.encode()).digest()[:6], "big") / 2**48


def _read_list(
    root: pathlib.Path, file: str, find: Callable[[str], Sequence[str]]
) -> tuple[frozenset[str], list[str]]:
    """The images of a list with one path per line, and a line for each entry without an image."""
    entries = _entries(root / file)
    listed, missing = set(), []
    for entry in entries:
        fitting = find(entry)
        if len(fitting) > 1:
            raise BuildError(
                f"{root / file}: {entry!r} fits {' and '.join(fitting[:2])}, expected the path from the folder"
            )
        if not fitting and not stays_inside(entry):
            raise BuildError(
                f"{root / file}: found {entry!r}, expected the path of an image below the folder"
            )
        listed.update(fitting)
        if not fitting:
            missing.append(f"{file}: no image {entry!r}")
    if not listed:
        raise BuildError(f"{root / file}: none of its images is in the folder, the first is {entries[0]!r}")
    return frozenset(listed), missing


def _entries(path: pathlib.Path) -> list[str]:
    """The lines of a list, without blank lines and without a leading `./`."""
    if not path.is_file():
        raise BuildError(f"{path}: no such list of images")
    try:
        lines = decode(path.read_bytes()).splitlines()
    except UserError as error:
        raise BuildError(f"{path}, {error}") from error
    entries = [pathlib.PurePosixPath(line.strip()).as_posix() for line in lines if line.strip()]
    if not entries:
        raise BuildError(f"{path}: the list is empty, expected the path of an image on each line")
    return list(dict.fromkeys(entries))
