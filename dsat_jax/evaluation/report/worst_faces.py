"""The section on the faces with the largest errors: their images with labels and predictions."""

import base64
import html

import cv2
import numpy as np

from dsat_jax import geometry
from dsat_jax.evaluation.report.evaluation import DistinctFaces, Evaluation
from dsat_jax.evaluation.report.page import Section, number
from dsat_jax.records import decode_picture
from dsat_jax.schemes import Scheme
from dsat_jax.warp import warp

COUNT = 24
_SIDE = 256
_QUALITY = 82
_ENLARGE = 0.2  # least margin, wider than that of most networks


def section(evaluation: Evaluation, faces: DistinctFaces) -> Section:
    """Returns the section: the worst faces of all splits, each once; images are read from the records."""
    nme = np.where(np.isnan(faces.result.nme), -np.inf, faces.result.nme)
    worst = [row for row in np.argsort(-nme, kind="stable")[:COUNT].tolist() if nme[row] > -np.inf]
    figures = "".join(_figure(evaluation, faces, row) for row in worst)
    body = (
        f'<p class="soft">The {len(worst)} faces with the largest NME ({evaluation.normaliser}) of all '
        f"{len(nme)} evaluated.</p>"
        '<div class="switches"><label><input type="checkbox" checked data-hides="hide-truth">'
        '<i class="swatch" style="background:var(--truth)"></i>truth</label>'
        '<label><input type="checkbox" checked data-hides="hide-prediction">'
        '<i class="swatch" style="background:var(--prediction)"></i>prediction</label></div>'
        f'<div class="faces">{figures}</div>'
    )
    return Section("worst", "Worst faces", body)


def _figure(evaluation: Evaluation, faces: DistinctFaces, row: int) -> str:
    """One face as HTML: its image, labels and predictions drawn over it, and a caption."""
    result, split, name = faces.result, faces.split[row], faces.name[row]
    record = evaluation.sources[split][int(result.record[row])]
    crop = geometry.crop_matrix(record["box"], _SIDE, max(_ENLARGE, evaluation.config.input.enlarge))
    image = warp(decode_picture(record["image"], name), crop, _SIDE)
    to_crop = geometry.compose(crop, geometry.invert(record["to_original"]))
    overlays = "".join(
        f'<g class="{kind}">{_landmarks(geometry.transform_points(to_crop, points), evaluation.scheme)}</g>'
        for kind, points in (("truth", result.labels[row]), ("prediction", result.predicted[row]))
    )
    attributes = [attribute for attribute, values in result.attributes.items() if values[row]]
    caption = " · ".join([f"{split} {result.record[row]}", *attributes])
    return (
        f'<figure><div class="picture"><img alt="" width="{_SIDE}" height="{_SIDE}" src="{_as_url(image)}">'
        f'<svg viewBox="-0.5 -0.5 {_SIDE} {_SIDE}" role="img" aria-label="truth and prediction">{overlays}</svg></div>'
        f"<figcaption><b>{number(100 * result.nme[row])} %</b><br>{html.escape(name)}<br>{html.escape(caption)}"
        "</figcaption></figure>"
    )


def _landmarks(points: np.ndarray, scheme: Scheme) -> str:
    """Lines and dots of landmarks [points, 2], crop pixels, as SVG; those that are not finite are left out."""
    known = np.isfinite(points).all(axis=1)
    text = [f"{x:.1f},{y:.1f}" for x, y in np.clip(np.where(known[:, None], points, 0), -9999, 9999).tolist()]
    lines = [" ".join(text[i] for i in line if known[i]) for line in scheme.lines]
    dots = [text[i].split(",") for i in np.flatnonzero(known)]
    return "".join(f'<polyline points="{line}"/>' for line in lines) + "".join(
        f'<circle cx="{x}" cy="{y}" r="1.9"/>' for x, y in dots
    )


def _as_url(image: np.ndarray) -> str:
    """A JPEG data URL of an image, uint8 [height, width, 3] RGB."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
