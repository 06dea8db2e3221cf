"""NME, failure rate and AUC, in the original picture's pixels, against float labels.

Everything is NumPy: per-face errors are gathered on the host, so that every face counts once on any number of devices.
Labels of unknown position are NaN; a normaliser that needs one is NaN too.
"""

import numpy as np

from dsat_jax.config import choose
from dsat_jax.schemes import SCHEMES, Scheme


def inter_ocular(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Distance of the outer eye corners; for the arguments see `NORMALISERS`."""
    del boxes
    left, right = scheme.eye_corners
    return np.linalg.norm(points[:, left] - points[:, right], axis=-1)


def inter_pupil(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Distance of the pupils, each the mean of its landmarks; for the arguments see `NORMALISERS`."""
    del boxes
    left, right = (points[:, list(group)].mean(axis=1) for group in scheme.pupils)
    return np.linalg.norm(left - right, axis=-1)


def box_diagonal(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Diagonal of the annotated face box; for the arguments see `NORMALISERS`."""
    del points, scheme
    return np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=-1)


def box_size(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """sqrt(width * height) of the annotated face box; for the arguments see `NORMALISERS`."""
    del points, scheme
    return np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=-1))


def landmark_box_size(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """sqrt(width * height) of the box around the known landmarks; for the arguments see `NORMALISERS`."""
    del boxes, scheme
    known = ~np.isnan(points)
    high = np.where(known, points, -np.inf).max(axis=1)
    low = np.where(known, points, np.inf).min(axis=1)
    return np.sqrt((high - low).prod(axis=-1))


# Functions of labels [faces, points, 2], annotated face boxes [faces, 4] (x_min, y_min, x_max, y_max), both in original
# pixels, and the landmarks' scheme; they return [faces]. A dataset without boxes of its own has those of its landmarks.
NORMALISERS = {
    "inter_ocular": inter_ocular,
    "inter_pupil": inter_pupil,
    "box_diagonal": box_diagonal,
    "box_size": box_size,
    "landmark_box_size": landmark_box_size,
}


def normaliser_name(normaliser: str, scheme: Scheme) -> str:
    """The written name of a normaliser: `inter-ocular`, or in words for a scheme of the user's own.

    Args:
      normaliser: key of `NORMALISERS`.
      scheme: scheme of the landmarks.

    Raises:
      ValueError: if there is no such normaliser.
    """
    choose(NORMALISERS, normaliser, "normaliser")
    if normaliser == "inter_ocular" and scheme.name not in SCHEMES:
        return "distance of landmarks {} and {}".format(*scheme.eye_corners)
    return normaliser.replace("_", "-")


def point_errors(predicted: np.ndarray, labels: np.ndarray, normaliser: np.ndarray) -> np.ndarray:
    """Distance of each landmark from its label as a share of the face's normaliser.

    Args:
      predicted: [faces, points, 2], original pixels.
      labels: [faces, points, 2], original pixels.
      normaliser: [faces], original pixels.

    Returns:
      float64 [faces, points]; infinite where a prediction is no number, so that the face counts as failed.
    """
    predicted = np.asarray(predicted, np.float64)
    distance = np.linalg.norm(predicted - np.asarray(labels, np.float64), axis=-1)
    distance = np.where(np.isfinite(predicted).all(axis=-1), distance, np.inf)
    return distance / np.asarray(normaliser, np.float64)[:, None]


def labelled_errors(
    predicted: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray,
    boxes: np.ndarray,
    normaliser: str,
    scheme: Scheme,
) -> np.ndarray:
    """`point_errors` of faces some of whose landmarks have no label.

    Args:
      predicted: [faces, points, 2], original pixels.
      labels: [faces, points, 2], original pixels; anything where the position is unknown.
      known: bool [faces, points].
      boxes: [faces, 4], the annotated face boxes, original pixels.
      normaliser: a key of `NORMALISERS`.
      scheme: of the landmarks.

    Returns:
      float64 [faces, points], NaN where there is no label, and for a face whose normaliser is unknown or not positive.

    Raises:
      ValueError: if there is no such normaliser.
    """
    labels = np.where(known[..., None], labels.astype(np.float64), np.nan)
    units = choose(NORMALISERS, normaliser, "normaliser")(labels, boxes.astype(np.float64), scheme)
    errors = point_errors(predicted, labels, np.where(units > 0, units, np.nan))
    return np.where(known, errors, np.nan)


def nme(errors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Normalised mean error of each face: the mean of its point errors over the landmarks whose label is known.

    Args:
      errors: [faces, points] from `point_errors`.
      known: bool [faces, points].

    Returns:
      [faces]; NaN for a face without any known landmark.
    """
    count = known.sum(axis=1)
    total = np.where(known, errors, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def summary(face_nme: np.ndarray, threshold: float) -> dict[str, float]:
    """NME, failure rate and AUC over faces.

    Args:
      face_nme: [faces]; those that are NaN, for lack of a normaliser, do not count.
      threshold: the NME above which a face has failed, also the end of the AUC's integral.

    Returns:
      nme, fr (share of faces above the threshold) and auc (mean of max(0, 1 - NME / threshold), which is the integral
      of the cumulative error distribution) in percent, and faces, their number. Without faces the three are NaN.
    """
    face_nme = face_nme[~np.isnan(face_nme)]
    share = 100.0 / len(face_nme) if len(face_nme) else np.nan
    return {
        "nme": float(face_nme.sum() * share),
        "fr": float((face_nme > threshold).sum() * share),
        "auc": float(np.maximum(0.0, 1.0 - face_nme / threshold).sum() * share),
        "faces": len(face_nme),
    }


def cumulative_errors(face_nme: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The cumulative error distribution from 0 to the threshold, as the vertices of its step function.

    Args:
      face_nme: [faces].
      threshold: where the curve ends.

    Returns:
      errors [k] in ascending order, from 0 to `threshold`, and the share [k] of faces with at most that error.
    """
    face_nme = face_nme[~np.isnan(face_nme)]
    below = np.sort(face_nme[face_nme <= threshold])
    share = np.arange(1, len(below) + 1) / len(face_nme)
    last = share[-1] if len(share) else 0.0
    return np.concatenate([[0.0], below, [threshold]]), np.concatenate([[0.0], share, [last]])
