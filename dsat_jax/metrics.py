"""NME, failure rate and AUC, computed in original pixels from labels that are not rounded.

The functions use NumPy: the errors of the faces are gathered on the host, so that each face counts once on any number
of devices. Labels of unknown landmarks are NaN, and so is a normaliser that depends on one.
"""

import numpy as np

from dsat_jax.config import choose
from dsat_jax.schemes import SCHEMES, Scheme


def inter_ocular(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Returns the distance between the outer eye corners. Arguments: see `NORMALISERS`."""
    del boxes
    left, right = scheme.eye_corners
    return np.linalg.norm(points[:, left] - points[:, right], axis=-1)


def inter_pupil(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Returns the distance between the pupils, each the mean of its landmarks. Arguments: see `NORMALISERS`."""
    del boxes
    left, right = (points[:, list(group)].mean(axis=1) for group in scheme.pupils)
    return np.linalg.norm(left - right, axis=-1)


def box_diagonal(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Returns the diagonal of the annotated face box. Arguments: see `NORMALISERS`."""
    del points, scheme
    return np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=-1)


def box_size(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Returns sqrt(width * height) of the annotated face box. Arguments: see `NORMALISERS`."""
    del points, scheme
    return np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=-1))


def landmark_box_size(points: np.ndarray, boxes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Returns sqrt(width * height) of the box around the known landmarks. Arguments: see `NORMALISERS`."""
    del boxes, scheme
    known = ~np.isnan(points)
    high = np.where(known, points, -np.inf).max(axis=1)
    low = np.where(known, points, np.inf).min(axis=1)
    return np.sqrt((high - low).prod(axis=-1))


# Arguments: labels [faces, points, 2] and annotated face boxes [faces, 4] (x_min, y_min, x_max, y_max), both in
# original pixels, and the scheme of the landmarks. Result: the normaliser of each face, [faces]. Where a dataset has no
# face boxes, the boxes around its landmarks take their place.
NORMALISERS = {
    "inter_ocular": inter_ocular,
    "inter_pupil": inter_pupil,
    "box_diagonal": box_diagonal,
    "box_size": box_size,
    "landmark_box_size": landmark_box_size,
}


# Descriptions of the `NORMALISERS` for a reader of a report.
NORMALISERS_IN_WORDS = {
    "inter_ocular": "inter-ocular distance (of the outer eye corners)",
    "inter_pupil": "inter-pupil distance",
    "box_diagonal": "diagonal of the face box",
    "box_size": "size of the face box, √(width · height)",
    "landmark_box_size": "size of the box around the landmarks, √(width · height)",
}


def normaliser_name(normaliser: str, scheme: Scheme) -> str:
    """Returns the name of a normaliser for readers: `inter-ocular`; for a custom scheme, with two landmark indices.

    Args:
      normaliser: key of `NORMALISERS`.
      scheme: scheme of the landmarks.

    Raises:
      UserError: if the normaliser is unknown.
    """
    choose(NORMALISERS, normaliser, "normaliser")
    return _between_landmarks(normaliser, scheme) or normaliser.replace("_", "-")


def normaliser_in_words(normaliser: str, scheme: Scheme) -> str:
    """Returns the description of a normaliser for a report; for the arguments see `normaliser_name`."""
    return _between_landmarks(normaliser, scheme) or choose(NORMALISERS_IN_WORDS, normaliser, "normaliser")


def _between_landmarks(normaliser: str, scheme: Scheme) -> str | None:
    """Returns the description of an inter-ocular normaliser in a custom scheme, by landmark indices, else None."""
    if normaliser == "inter_ocular" and scheme.name not in SCHEMES:
        return "distance of landmarks {} and {}".format(*scheme.eye_corners)
    return None


def point_errors(predicted: np.ndarray, labels: np.ndarray, normaliser: np.ndarray) -> np.ndarray:
    """Returns the distance of each landmark from its label as a share of the normaliser of the face.

    Args:
      predicted: predicted landmarks [faces, points, 2] in original pixels.
      labels: labels [faces, points, 2] in original pixels.
      normaliser: normaliser of each face [faces] in original pixels.

    Returns:
      Errors, float64 [faces, points]; infinite where a prediction is not finite, so that the face counts as failed.
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
    """Returns the `point_errors` of faces with unknown landmarks.

    Args:
      predicted: predicted landmarks [faces, points, 2] in original pixels.
      labels: labels [faces, points, 2] in original pixels; values of unknown landmarks are ignored.
      known: whether a label is known, bool [faces, points].
      boxes: annotated face boxes [faces, 4] in original pixels.
      normaliser: key of `NORMALISERS`.
      scheme: scheme of the landmarks.

    Returns:
      Errors, float64 [faces, points]; NaN where the label or the normaliser is unknown, or the normaliser is not
      positive.

    Raises:
      UserError: if the normaliser is unknown.
    """
    labels = np.where(known[..., None], labels.astype(np.float64), np.nan)
    units = choose(NORMALISERS, normaliser, "normaliser")(labels, boxes.astype(np.float64), scheme)
    errors = point_errors(predicted, labels, np.where(units > 0, units, np.nan))
    return np.where(known, errors, np.nan)


def nme(errors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns the normalised mean error of each face, the mean of its point errors over the known landmarks.

    Args:
      errors: result of `point_errors`, [faces, points].
      known: whether a label is known, bool [faces, points].

    Returns:
      NME [faces]; NaN for a face without known landmarks.
    """
    count = known.sum(axis=1)
    total = np.where(known, errors, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def summary(face_nme: np.ndarray, threshold: float) -> dict[str, float]:
    """Returns the mean NME, the failure rate and the AUC of a set of faces.

    Args:
      face_nme: NME of each face, [faces]; faces with NaN (no normaliser) are not counted.
      threshold: NME above which a face counts as failed, and upper limit of the AUC's integral.

    Returns:
      In percent: `nme`; `fr`, the share of faces above the threshold; and `auc`, the mean of
      max(0, 1 - NME / threshold), which equals the mean of the cumulative error distribution from 0 to the threshold.
      `faces` is the number of counted faces; if it is 0, the other values are NaN.
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
    """Returns the cumulative error distribution from 0 to the threshold as the vertices of its step function.

    Args:
      face_nme: NME of each face, [faces]; faces with NaN are not counted.
      threshold: largest error of the curve.

    Returns:
      Errors [k] in ascending order, from 0 to `threshold`, and the share [k] of faces with at most that error.
    """
    face_nme = face_nme[~np.isnan(face_nme)]
    below = np.sort(face_nme[face_nme <= threshold])
    share = np.arange(1, len(below) + 1) / len(face_nme)
    last = share[-1] if len(share) else 0.0
    return np.concatenate([[0.0], below, [threshold]]), np.concatenate([[0.0], share, [last]])
