"""Tracking of faces in a video: the landmarks of a face in one frame determine its face box in the next."""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dsat_jax import five_points, geometry
from dsat_jax.errors import UserError
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.face_crops import FACES_AT_ONCE, batch_size
from dsat_jax.inference.landmarks import Face
from dsat_jax.inference.predictor import Predictor
from dsat_jax.inference.video_files import Frame

LOOK_EVERY = 25  # frames after which the detector searches for new faces
TOGETHER = 4  # frames in a batch of the network
LOOKS, MIRROR = 1, False  # a tracked face has a precise box
_SAME_PLACE = 0.3  # least overlap of a track's box with its previous box, and with a detection of its face
_SAME_FACE = 0.6  # overlap of two tracks that follow the same face
_SMALLEST = 4.0  # least side of a box in pixels
# Least confidence of a track, as a share of the highest confidence at a detection of its face. For boxes without a face
# this share was 0.2 to 0.3 in two DSAT runs.
_LEAST_CONFIDENCE = 0.4
# A track ends after this number of detector runs in a row without its face, unless the network is confident of it.
_MOST_MISSED = 3
_SURE = 0.6  # least confidence for that exception, as a share of the highest among current and recent tracks
_REMEMBERED = 50  # a face that reappears where it was lost within this number of frames keeps its number


@dataclasses.dataclass(frozen=True)
class Track:
    """A face that is followed through the frames.

    Attributes:
      number: number from 0, in the order of appearance.
      face: the face in the last frame.
      box: float64 [4], face box for the next frame, image pixels, turned by `roll` about its centre.
      roll: angle of that box in radians, clockwise in the image.
      detected: the face as predicted in a box of the detector, at the detection with the highest confidence.
      missed: number of successive detector runs without the face.
      frame: number of the last frame.
      score: score of the last detection; None for a detector without scores.
    """

    number: int
    face: Face
    box: np.ndarray
    roll: float
    detected: Face
    missed: int
    frame: int
    score: float | None

    @property
    def bounds(self) -> np.ndarray:
        """The box without its roll: float64 [4], sides along the image."""
        return geometry.box_of_rolled(self.box, self.roll)


class Tracks:
    """All tracks of a video.

    Attributes:
      current: tracks that have not ended.
    """

    def __init__(self) -> None:
        self.current: list[Track] = []
        self._ended: list[Track] = []
        self._numbers = itertools.count()

    def detections(self) -> Detections:
        """Returns the face boxes of the tracks for the next frame."""
        boxes = np.array([track.box for track in self.current], np.float64).reshape(-1, 4)
        return Detections(boxes, np.array([track.roll for track in self.current], np.float64))

    def follow(self, faces: Sequence[Face], frame: Frame) -> bool:
        """Updates the tracks with the faces predicted in their boxes.

        Args:
          faces: one face for each track.
          frame: frame of the faces.

        Returns:
          Whether a track has ended.
        """
        kept: list[Track] = []
        for track, face in zip(self.current, faces, strict=True):
            box, roll = carried_box(track.detected, face)
            moved = dataclasses.replace(track, face=face, box=box, roll=roll, frame=frame.number)
            if (
                _can_be_face(box, frame)
                and _is_confident(face, track.detected)
                and geometry.box_overlaps(_bounds([track]), _bounds([moved]))[0, 0] >= _SAME_PLACE
                # Of two tracks on one face the older one is kept.
                and not (geometry.box_overlaps(_bounds(kept), _bounds([moved])) > _SAME_FACE).any()
            ):
                kept.append(moved)
        return self._keep(kept, frame)

    def look(self, faces: Sequence[Face], frame: Frame) -> bool:
        """Updates the tracks with the faces that the detector finds in the current frame.

        Args:
          faces: all detected faces.
          frame: frame of the faces.

        Returns:
          Whether a track has started or ended.
        """
        faces = [face for face in faces if _can_be_face(carried_box(face, face)[0], frame)]
        shared = geometry.box_overlaps(_bounds(self.current), _bounds(faces))  # [tracks, faces]
        kept = []
        for track, row in zip(self.current, shared, strict=True):
            if (row >= _SAME_PLACE).any():
                face = faces[int(row.argmax())]
                best = face if _is_better(face, track.detected) else track.detected
                kept.append(dataclasses.replace(track, detected=best, missed=0, score=face.score))
            elif track.missed + 1 < _MOST_MISSED or self._is_sure(track):
                kept.append(dataclasses.replace(track, missed=track.missed + 1))
        changed = self._keep(kept, frame)
        for face in faces:
            # The detector may find a face twice.
            if (geometry.box_overlaps(_bounds(self.current), _bounds([face])) < _SAME_PLACE).all():
                number = self._number_for(face)
                self.current.append(
                    Track(number, face, face.box, face.roll, face, 0, frame.number, face.score)
                )
                changed = True
        self.current.sort(key=lambda track: track.number)
        return changed

    def _keep(self, kept: list[Track], frame: Frame) -> bool:
        """Replaces the current tracks by those to keep and ends all others; returns whether a track has ended."""
        numbers = {track.number for track in kept}
        ended = [track for track in self.current if track.number not in numbers]
        self._ended = [track for track in self._ended if frame.number - track.frame <= _REMEMBERED] + ended
        self.current = kept
        return bool(ended)

    def _is_sure(self, track: Track) -> bool:
        """Whether the network is confident of a face that the detector misses, such as one turned to the side."""
        if track.face.confidence is None:
            return False
        best = max(other.detected.confidence for other in [*self.current, *self._ended])
        return bool(track.face.confidence >= _SURE * best)

    def _number_for(self, face: Face) -> int:
        """Returns the number of the track that ended at the position of a new face, else a new number."""
        shared = geometry.box_overlaps(_bounds(self._ended), _bounds([face]))[:, 0]
        if not (shared >= _SAME_PLACE).any():
            return next(self._numbers)
        return self._ended.pop(int(shared.argmax())).number


def carried_box(detected: Face, face: Face) -> tuple[np.ndarray, float]:
    """Moves the box of a detected face to its landmarks in another frame.

    The box moves with the median of the landmarks, scales with their median distance from it, and turns with them. The
    box around the landmarks would suffice for an accurate network. With a weak network, a single outlier enlarges that
    box, the face in the next crop becomes smaller, its landmarks become worse, and it is lost within some frames.

    Args:
      detected: face in a box of the detector.
      face: the same face in a later frame.

    Returns:
      Box, float64 [4], and its roll in radians; not finite if the detected landmarks have collapsed to a point.
    """
    roll = detected.roll + _roll(face) - _roll(detected)
    before, now = np.median(detected.landmarks, axis=0), np.median(face.landmarks, axis=0)
    spread = np.median(np.linalg.norm(detected.landmarks - before, axis=1))
    scale = np.median(np.linalg.norm(face.landmarks - now, axis=1)) / spread if spread > 0 else np.nan
    turned = geometry.roll_matrix(roll - detected.roll, before)
    centre = geometry.transform_points(turned, geometry.box_centre(detected.box)[None])[0]
    middle = now + scale * (centre - before)
    half = scale * (detected.box[2:] - detected.box[:2]) / 2
    return np.concatenate([middle - half, middle + half]), roll


def _roll(face: Face) -> float:
    points = five_points.of_landmarks(face.landmarks, face.scheme)
    return 0.0 if points is None else five_points.roll_of(points)


def _bounds(faces: Sequence[Face | Track]) -> np.ndarray:
    """Returns the boxes of faces or tracks, with sides along the image: float64 [faces, 4]."""
    return np.array([face.bounds for face in faces], np.float64).reshape(-1, 4)


def _can_be_face(box: np.ndarray, frame: Frame) -> bool:
    """Whether the size of a box fits the image and its centre is inside the image."""
    size = np.array(frame.image.shape[1::-1])
    centre, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    return bool(
        ((sides >= _SMALLEST) & (sides <= 2 * size.max())).all()  # false for NaN, too
        and ((centre >= 0) & (centre <= size - 1)).all()
    )


def _is_confident(face: Face, detected: Face) -> bool:
    return face.confidence is None or face.confidence >= _LEAST_CONFIDENCE * detected.confidence


def _is_better(face: Face, before: Face) -> bool:
    return face.confidence is None or face.confidence > before.confidence


def follow_faces(
    predictor: Predictor,
    frames: Iterable[Frame],
    look_every: int = LOOK_EVERY,
    together: int = TOGETHER,
    looks: int = LOOKS,
    mirror: bool = MIRROR,
) -> Iterator[tuple[Frame, list[Track]]]:
    """Tracks the faces of a video.

    The face box of a track comes from its position in the previous frame, or up to `together` frames before, so that
    the network can process several frames in a batch. The detector runs when a track has ended, when its last run is
    `look_every` frames ago, and in every frame while there is no track. At most `together` frames are held in memory.

    Args:
      predictor: predictor of the landmarks.
      frames: frames of the video.
      look_every: number of frames after which the detector searches for new faces.
      together: number of frames in a batch of the network.
      looks: largest number of runs of the network on a tracked face, see `Predictor`; on a detected face it is 2.
      mirror: whether to average a face with its mirror image, see `Predictor`.

    Yields:
      Each frame and its tracks, with unsmoothed landmarks.

    Raises:
      UserError: if `look_every` or `together` is not positive.
    """
    if look_every < 1 or together < 1:
        raise UserError(f"found look_every={look_every} and together={together}, expected at least 1")
    tracks, frames, next_look = Tracks(), iter(frames), 0
    waiting: collections.deque[Frame] = collections.deque()
    while True:
        at_once = _frames_at_once(len(tracks.current), together)
        waiting.extend(itertools.islice(frames, max(at_once - len(waiting), 0)))
        if not waiting:
            return
        pairs = [(frame.image, tracks.detections()) for frame in itertools.islice(waiting, at_once)]
        for faces in predictor.predict_pairs(pairs, looks, mirror):
            frame = waiting.popleft()
            changed = tracks.follow(faces, frame)
            if changed or not tracks.current or frame.number >= next_look:
                changed |= tracks.look(predictor(frame.image, mirror=mirror), frame)
                next_look = frame.number + look_every
            yield frame, list(tracks.current)
            if changed:  # the remaining predictions of the batch are for the previous set of tracks
                break


def _frames_at_once(faces: int, together: int) -> int:
    """Returns the number of frames, at most `together`, whose faces fill the batches of the network best."""
    if not faces:
        return 1

    def crops_per_frame(frames: int) -> float:
        full, rest = divmod(frames * faces, FACES_AT_ONCE)
        return (full * FACES_AT_ONCE + (batch_size(rest) if rest else 0)) / frames

    most = max(1, min(together, 2 * FACES_AT_ONCE // faces))
    return min(range(most, 0, -1), key=crops_per_frame)
