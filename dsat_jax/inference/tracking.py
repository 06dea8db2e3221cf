"""Faces followed through a video: where a face was in a frame is where it is looked for in the next."""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dsat_jax import geometry
from dsat_jax.errors import UserError
from dsat_jax.inference.landmarks import Face
from dsat_jax.inference.predictor import FACES_AT_ONCE, Predictor
from dsat_jax.inference.video_files import Frame

LOOK_EVERY = 25  # frames after which the detector looks for new faces
TOGETHER = 4  # frames in whose faces the network may look at once
_SAME_PLACE = 0.3  # least overlap of a track with itself a frame before, and with the detection of its face
_SAME_FACE = 0.6  # overlap of two tracks that have come to follow one face
_SMALLEST = 4.0  # pixels, side of a box
# As a share of the best that the detector's looks have shown. Two DSAT runs had 0.2 to 0.3 without a face in the box.
_LEAST_CONFIDENCE = 0.4
_MOST_MISSED = 3  # looks of the detector in a row without the face, unless the network is as sure of it as
_SURE = 0.6  # this share of the most confident face of the video
_REMEMBERED = 50  # frames for which a face that comes back where it was lost gets its number back


@dataclasses.dataclass(frozen=True)
class Track:
    """A face through the frames.

    Attributes:
      number: from 0, in the order of appearance.
      face: of the last frame.
      box: float64 [4], where it is looked for in the next frame.
      detected: the face in the detector's box, at the look that showed it best.
      missed: successive looks of the detector without it.
      frame: number of the last frame.
    """

    number: int
    face: Face
    box: np.ndarray
    detected: Face
    missed: int
    frame: int


class Tracks:
    """The faces that are followed.

    Attributes:
      current: the tracks.
    """

    def __init__(self) -> None:
        self.current: list[Track] = []
        self._ended: list[Track] = []
        self._numbers = itertools.count()

    def boxes(self) -> np.ndarray:
        """Where the faces are looked for in the next frame: float64 [tracks, 4]."""
        return _boxes(self.current)

    def follow(self, faces: Sequence[Face], frame: Frame) -> bool:
        """Takes over what was found in the boxes of a frame.

        Args:
          faces: one for each track.
          frame: in which they are.

        Returns:
          Whether a track has ended.
        """
        going: list[Track] = []
        for track, face in zip(self.current, faces, strict=True):
            box = carried_box(track.detected, face)
            if (
                _can_be_face(box, frame)
                and _is_confident(face, track.detected)
                and geometry.box_overlaps(track.box[None], box[None])[0, 0] >= _SAME_PLACE
                and not (
                    geometry.box_overlaps(_boxes(going), box[None]) > _SAME_FACE
                ).any()  # the older one stays
            ):
                going.append(dataclasses.replace(track, face=face, box=box, frame=frame.number))
        return self._go_on_with(going, frame)

    def look(self, faces: Sequence[Face], frame: Frame) -> bool:
        """Takes over what the detector has found in the frame that the tracks have reached.

        Args:
          faces: all those found.
          frame: in which they are.

        Returns:
          Whether a track has begun or ended.
        """
        faces = [face for face in faces if _can_be_face(carried_box(face, face), frame)]
        shared = geometry.box_overlaps(self.boxes(), _boxes(faces))  # [tracks, faces]
        going = []
        for track, row in zip(self.current, shared, strict=True):
            if (row >= _SAME_PLACE).any():
                seen = faces[int(row.argmax())]
                best = seen if _is_better(seen, track.detected) else track.detected
                going.append(dataclasses.replace(track, detected=best, missed=0))
            elif track.missed + 1 < _MOST_MISSED or self._is_sure(track):
                going.append(dataclasses.replace(track, missed=track.missed + 1))
        changed = self._go_on_with(going, frame)
        for face in faces:
            if (
                geometry.box_overlaps(self.boxes(), face.box[None]) < _SAME_PLACE
            ).all():  # neither followed nor found twice
                number = self._number_for(face)
                self.current.append(Track(number, face, face.box, face, 0, frame.number))
                changed = True
        self.current.sort(key=lambda track: track.number)
        return changed

    def _go_on_with(self, going: list[Track], frame: Frame) -> bool:
        """Ends all other tracks; returns whether there were any."""
        numbers = {track.number for track in going}
        ended = [track for track in self.current if track.number not in numbers]
        self._ended = [track for track in self._ended if frame.number - track.frame <= _REMEMBERED] + ended
        self.current = going
        return bool(ended)

    def _is_sure(self, track: Track) -> bool:
        """Whether the network sees a face where the detector does not: turned to the side, for example."""
        if track.face.confidence is None:
            return False
        best = max(other.detected.confidence.mean() for other in [*self.current, *self._ended])
        return bool(track.face.confidence.mean() >= _SURE * best)

    def _number_for(self, face: Face) -> int:
        """The number of the track that ended where a face has appeared, or a new one."""
        shared = geometry.box_overlaps(_boxes(self._ended), face.box[None])[:, 0]
        if not (shared >= _SAME_PLACE).any():
            return next(self._numbers)
        return self._ended.pop(int(shared.argmax())).number


def carried_box(detected: Face, face: Face) -> np.ndarray:
    """The box of a detected face, carried to where its landmarks are in another frame.

    It moves with the median of the landmarks and grows with their median distance from it. The box around the landmarks
    would do for a good network; but one landmark far off makes it larger, the face in the next crop smaller, and the
    landmarks worse: with a weak network it was lost within some frames.

    Args:
      detected: with the box of the detector.
      face: the same one, later.

    Returns:
      float64 [4], not finite if the landmarks have collapsed to a point.
    """
    before, now = np.median(detected.landmarks, axis=0), np.median(face.landmarks, axis=0)
    spread = np.median(np.linalg.norm(detected.landmarks - before, axis=1))
    scale = np.median(np.linalg.norm(face.landmarks - now, axis=1)) / spread if spread > 0 else np.nan
    return np.tile(now, 2) + scale * (detected.box - np.tile(before, 2))


def _boxes(faces: Sequence[Face | Track]) -> np.ndarray:
    """float64 [faces, 4]."""
    return np.array([face.box for face in faces], np.float64).reshape(-1, 4)


def _can_be_face(box: np.ndarray, frame: Frame) -> bool:
    """Whether a box has a size that fits the picture, and its centre lies in the picture."""
    size = np.array(frame.image.shape[1::-1])
    centre, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    return bool(
        ((sides >= _SMALLEST) & (sides <= 2 * size.max())).all()  # false for NaN, too
        and ((centre >= 0) & (centre <= size - 1)).all()
    )


def _is_confident(face: Face, detected: Face) -> bool:
    return face.confidence is None or face.confidence.mean() >= _LEAST_CONFIDENCE * detected.confidence.mean()


def _is_better(seen: Face, before: Face) -> bool:
    return seen.confidence is None or seen.confidence.mean() > before.confidence.mean()


def follow_faces(
    predictor: Predictor,
    frames: Iterable[Frame],
    look_every: int = LOOK_EVERY,
    together: int = TOGETHER,
) -> Iterator[tuple[Frame, list[Track]]]:
    """Finds the faces of a video, each with the number of its track.

    A face is looked for where it was in the frame before, or, so that the network can take several frames at once, up
    to `together` frames before. (The predictor looks twice, the second time around the landmarks found first: it does
    not mind a box that is some frames old.) The detector looks in the frame in which a track has ended, after
    `look_every` frames, and in every frame while there is no face. No more than `together` frames are held.

    Args:
      predictor: of the landmarks.
      frames: of the video.
      look_every: frames.
      together: frames.

    Yields:
      Each frame and the tracks in it, with the landmarks as they were found.

    Raises:
      ValueError: if one of the numbers is not positive.
    """
    if look_every < 1 or together < 1:
        raise UserError(f"found look_every={look_every} and together={together}, expected at least 1")
    tracks, frames, next_look = Tracks(), iter(frames), 0
    waiting: collections.deque[Frame] = collections.deque()
    while True:
        at_once = max(1, min(together, FACES_AT_ONCE // len(tracks.current))) if tracks.current else 1
        waiting.extend(itertools.islice(frames, max(at_once - len(waiting), 0)))
        if not waiting:
            return
        pictures = [frame.image for frame in itertools.islice(waiting, at_once)]
        for faces in predictor.predict_many(pictures, [tracks.boxes()] * len(pictures)):
            frame = waiting.popleft()
            changed = tracks.follow(faces, frame)
            if changed or not tracks.current or frame.number >= next_look:
                changed |= tracks.look(predictor(frame.image), frame)
                next_look = frame.number + look_every
            yield frame, list(tracks.current)
            if changed:  # what was predicted for the next frames is of other faces
                break
