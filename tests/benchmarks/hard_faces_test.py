"""Errors on hard faces: figures computed by hand, missed faces, conversion of schemes, files of faces."""

import csv
import pathlib

import cv2
import numpy as np
import pytest

from benchmarks import detected_boxes, hard_faces, labelled_faces, network_on_split
from dsat_jax import Predictor, drawing, geometry
from dsat_jax.inference import detections, trained_network
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.schemes import AFLW_19, COFW_29, W300_68, WFLW_98
from tfds_builders.synthetic_faces.drawing import draw_face
from tfds_builders.synthetic_faces.other_schemes import landmarks_in


def record(scale: float = 1.0, name: str = "a.png", **attributes: bool) -> dict[str, np.ndarray]:
    """A face in a box of 40 x 90 px with an inter-ocular distance of 20 px, times `scale`; point 3 is unknown."""
    landmarks = np.full((68, 2), [20.0, 30.0])
    landmarks[0], landmarks[1] = (0, 0), (40, 90)
    landmarks[36], landmarks[45] = (10, 30), (30, 30)
    landmarks[3] = 1e6
    visibility = np.ones(68, np.uint8)
    visibility[3] = 0
    image = np.zeros((100, 50, 3), np.uint8)
    face = {"landmarks": scale * landmarks, "visibility": visibility, "image": image, "name": name.encode()}
    return face | ({"attributes": attributes} if attributes else {})


def faces(*records, scheme=W300_68) -> labelled_faces.LabelledFaces:
    return labelled_faces.LabelledFaces("made", scheme, records)


def shifted(data: labelled_faces.LabelledFaces, *pixels: float) -> np.ndarray:
    """Predictions whose landmarks are all off by 0.6 and 0.8 of a number of pixels; NaN is a missed face."""
    return np.stack(
        [face["landmarks"] + np.multiply([0.6, 0.8], d) for face, d in zip(data, pixels, strict=True)]
    )


def test_errors_by_hand():
    data = faces(record(), record(2.0, "b.png"))
    result = hard_faces.measure("net", data, "labels", shifted(data, 3.0, 3.0), W300_68)
    np.testing.assert_allclose(result.errors["inter_ocular"], [3 / 20, 3 / 40])
    np.testing.assert_allclose(result.errors["landmark_box_size"], [3 / 60, 3 / 120])
    assert hard_faces.table([result]).endswith("| made | net | labels | 2 | 0 | 11.25 | 3.75 | 50.00 |")


def test_missed_faces_are_counted_apart_and_attributes_have_rows():
    data = faces(record(far=True), record(far=False), record(far=True))
    result = hard_faces.measure("net", data, "cascade", shifted(data, 2.0, 1.0, np.nan), W300_68)
    assert result.missed.tolist() == [False, False, True]
    rows = hard_faces.table([result]).splitlines()[2:]
    assert rows == [
        "| made | net | cascade | 3 | 1 | 7.50 | 2.50 | 50.00 |",
        "| made, far | net | cascade | 2 | 1 | 10.00 | 3.33 | 100.00 |",
    ]
    lines = list(csv.DictReader(hard_faces.face_table([result]).splitlines()))
    assert [line["inter_ocular"] for line in lines] == ["10.000", "5.000", ""]
    assert [line["missed"] for line in lines] == ["0", "0", "1"]


@pytest.mark.parametrize(
    ("network", "data", "expected"),
    [(W300_68, WFLW_98, W300_68), (WFLW_98, W300_68, W300_68), (WFLW_98, WFLW_98, WFLW_98)],
)
def test_landmarks_are_converted_where_the_schemes_differ(network, data, expected):
    """The labels in both schemes are of the same face, so that its exact landmarks have no error."""
    points = draw_face(3, 0, 0).points.astype(np.float64)
    label, predicted = landmarks_in(points, data), landmarks_in(points, network)
    visibility = np.ones(data.num_points, np.uint8)
    face = {
        "landmarks": label,
        "visibility": visibility,
        "image": np.zeros((8, 8, 3), np.uint8),
        "name": b"a",
    }
    result = hard_faces.measure("net", faces(face, scheme=data), "labels", predicted[None], network)
    assert result.scheme == expected
    assert result.errors["inter_ocular"][0] == pytest.approx(0, abs=1e-9)


def test_schemes_that_do_not_convert_are_an_error():
    with pytest.raises(hard_faces.UserError, match="cannot be converted"):
        hard_faces.common_scheme(COFW_29, AFLW_19)


def test_the_box_is_that_of_the_known_landmarks():
    np.testing.assert_array_equal(faces(record())[0]["box"], [0, 0, 40, 90])


def write_face(folder: pathlib.Path, index: int) -> np.ndarray:
    """Writes a drawn face with 68 landmarks and returns them, in pixels that count from 0."""
    face = draw_face(7, 0, index)
    points = landmarks_in(face.points.astype(np.float64), W300_68)
    cv2.imwrite(str(folder / f"{index}.png"), face.image[..., ::-1])
    (folder / f"{index}.pts").write_text("\n".join(f"{x:.6f} {y:.6f}" for x, y in points + 1))
    return points


def test_a_folder_is_predicted_in_the_boxes_of_its_labels_and_of_the_detector(tmp_path):
    """A network that returns the crop's own middle finds the centres of the boxes that it is given."""
    points = [write_face(tmp_path, index) for index in range(3)]
    data = labelled_faces.read_folder(tmp_path)
    assert [face["name"] for face in data] == [b"0.png", b"1.png", b"2.png"]
    np.testing.assert_allclose(data[1]["landmarks"], points[1], atol=1e-5)
    moved = [
        detections.Detections(geometry.box_of_points(points[0])[None] + 10),
        detections.NONE,
        detections.NONE,
    ]
    found = iter(moved)
    middle = np.full((68, 2), 15.5)
    predictor = Predictor(
        lambda crops, mirror: Landmarks(np.stack([middle] * len(crops)), None, None),
        W300_68, 32, 0.1, lambda image: next(found),
    )  # fmt: skip
    centres = np.array([geometry.box_of_points(each).reshape(2, 2).mean(axis=0) for each in points])
    in_labels = hard_faces.predict(predictor, data, False, 1, False)
    np.testing.assert_allclose(in_labels, np.repeat(centres[:, None], 68, axis=1), atol=1e-4)
    in_detected = hard_faces.predict(predictor, data, True, 1, False)
    np.testing.assert_allclose(in_detected[0], np.repeat(centres[:1] + 10, 68, axis=0), atol=1e-4)
    assert np.isnan(in_detected[1:]).all()


def test_the_worst_faces_are_drawn_worst_first(tmp_path):
    for index in range(4):
        write_face(tmp_path, index)
    data = labelled_faces.read_folder(tmp_path)
    result = hard_faces.measure("net", data, "labels", shifted(data, 1.0, 9.0, np.nan, 5.0), W300_68)
    hard_faces.draw(result, data, 2, tmp_path)
    written = cv2.imread(str(tmp_path / f"{tmp_path.name}-net-labels-worst.jpg"))[..., ::-1]
    assert written.shape == (256, 512, 3)
    expected = drawing.sample_grid(hard_faces.sample(result, data, [1, 3]), W300_68)
    assert np.abs(written.astype(int) - expected).mean() < 8  # JPEG; another face differs by far more
    swapped = np.concatenate([expected[:, 256:], expected[:, :256]], axis=1)
    assert np.abs(written.astype(int) - swapped).mean() > 16
    assert (tmp_path / f"{tmp_path.name}-net-labels-random.jpg").is_file()


def test_a_split_has_the_errors_of_the_measurement_in_given_boxes(
    network_path, tiny_dataset, tmp_path, capsys
):
    """Both normalise by the eye corners; the boxes of drawn faces are those of their landmarks."""
    command = [str(network_path), "--split=synthetic_faces/tiny:test[:3]", f"--data_dir={tiny_dataset}"]
    hard_faces.main([*command, "--looks=1", f"--csv={tmp_path / 'faces.csv'}"])
    lines = list(csv.DictReader((tmp_path / "faces.csv").read_text().splitlines()))
    parser = network_on_split.parser("", "synthetic_faces/tiny")
    arguments = parser.parse_args([str(network_path), "--split=test[:3]", f"--data_dir={tiny_dataset}"])
    _, records = network_on_split.load(parser, arguments)
    network = trained_network.load(network_path)
    predictor = Predictor.from_network(network, lambda image: detections.NONE)
    records = hard_faces.LabelledFaces("", WFLW_98, labelled_faces.DecodedRecords(records))
    expected = detected_boxes.measure(predictor, list(records), network.config, looks=1)["label"]
    np.testing.assert_allclose([float(line["inter_ocular"]) for line in lines], 100 * expected, atol=2e-3)
    assert "| synthetic_faces/tiny test[:3] |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "neither --folder nor --split"),
        (["--split=test"], "expected DATASET:SPLIT"),
        (["--split=w300:test", "--worst=3"], "expected both or none"),
        (["--folder=/nowhere"], "found no .pts file"),
    ],
)
def test_bad_arguments_are_an_error_of_one_sentence(network_path, capsys, arguments, message):
    with pytest.raises(SystemExit):
        hard_faces.main([str(network_path), *arguments])
    assert message in capsys.readouterr().err


def test_faces_with_wrong_labels_are_left_out_of_a_row(tmp_path):
    for index in range(2):
        write_face(tmp_path, index)
    data = labelled_faces.read_folder(tmp_path, ["1"])
    predicted = np.stack([face["landmarks"] for face in data]) + np.array([[[0.0, 0.0]], [[30.0, 40.0]]])
    rows = hard_faces.table([hard_faces.measure("net", data, "labels", predicted, W300_68)]).splitlines()[2:]
    assert "labels not wrong" not in rows[0]
    assert rows[1].startswith(
        f"| {tmp_path.name}, labels not wrong | net | labels | 1 | 0 | 0.00 | 0.00 | 0.00 |"
    )
    with pytest.raises(ValueError, match="has no image called 7, expected names without suffix"):
        labelled_faces.read_folder(tmp_path, ["7"])


def test_faces_with_wrong_labels_are_left_out(tmp_path):
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((20, 20, 3), np.uint8))
        points = "\n".join(f"{x + 1} {x + 2}" for x in range(68))
        (tmp_path / f"{name}.pts").write_text(points)
    data = labelled_faces.without_wrong(tmp_path, ["b"])
    assert [face["name"] for face in data] == [b"a.png", b"c.png"]
    assert data.name == f"{tmp_path.name}, labels not wrong"
    assert len(labelled_faces.without_wrong(tmp_path, [])) == 3
