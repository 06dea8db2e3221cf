"""Pictures in, landmarks out: lists of files, boxes, results on disk."""

import json

import cv2
import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.inference import face_boxes, file_patterns, predict_files, predictor, result_files
from dsat_jax.inference.detectors.cascade import FaceDetector
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import W300_68
from tfds_builders import pts
from tfds_builders.synthetic_faces.drawing import draw_face


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "more/c.JPG"):
        cv2.imwrite(str(folder / name), np.full((20, 30, 3), 90, np.uint8))
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_files_folders_and_patterns_are_listed_once_in_order(pictures):
    listed = file_patterns.list_files([str(pictures), f"{pictures}/*.png", f"{pictures}/*/*"])
    assert [path.name for path in listed] == ["a.jpg", "b.png", "c.JPG"]


@pytest.mark.parametrize("pattern", ["nothing*.jpg", "absent.jpg"])
def test_a_pattern_that_matches_nothing_is_an_error(pictures, pattern):
    with pytest.raises(FileNotFoundError, match="matches no picture"):
        file_patterns.list_files([str(pictures / pattern)])
    with pytest.raises(FileNotFoundError, match="no pictures were named"):
        file_patterns.list_files([])


def test_a_file_that_is_no_picture_is_named(pictures):
    with pytest.raises(ValueError, match=r"notes\.txt is not a picture"):
        predictor.read_picture(pictures / "notes.txt")


def test_the_crop_of_the_whole_image_box_is_the_whole_image():
    image = np.zeros((101, 101, 3), np.uint8)
    matrix = geometry.crop_matrix(predict_files.whole_image_boxes(image, 0.125)[0], 64, 0.125)
    np.testing.assert_allclose(
        geometry.transform_points(matrix, np.array([[0, 0], [100, 100]])), [[0, 0], [63, 63]], atol=1e-9
    )


def test_a_truncated_picture_is_refused_and_not_filled_with_grey(pictures):
    content = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))[1]
    (pictures / "a.jpg").write_bytes(content[: len(content) // 2].tobytes())
    with pytest.raises(ValueError, match=r"a\.jpg is not a picture that can be read: .* do not decode"):
        predictor.read_picture(pictures / "a.jpg")


@pytest.mark.parametrize("pattern", ["", "photos/**.jpg"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(ValueError, match=r"--images has an empty name|\*\*\.jpg is no pattern of pictures"):
        file_patterns.list_files([pattern])


def test_boxes_belong_to_one_picture_each_and_lie_in_it(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text('{"a.jpg": [[5, 5, 17, 9]]}')
    assert list(face_boxes.boxes_for(path, [tmp_path / "a.jpg", tmp_path / "b.jpg"])) == ["a.jpg"]
    with pytest.raises(ValueError, match=r"has boxes for a\.jpg, which --images does not name"):
        face_boxes.boxes_for(path, [tmp_path / "b.jpg"])
    with pytest.raises(ValueError, match="--images names several pictures called so"):
        face_boxes.boxes_for(path, [tmp_path / "a.jpg", tmp_path / "more" / "a.jpg"])
    image = np.zeros((20, 30, 3), np.uint8)
    inside = np.array([[-30.0, 0, 29, 40]])
    face_boxes.check_inside(inside, image, "here")
    for corner, value in ((0, -31), (3, 41), (1, 20), (2, -1)):
        box = inside.copy()
        box[0, corner] = value
        with pytest.raises(ValueError, match=r"here: the box .* lies outside the picture of 30 x 20 px"):
            face_boxes.check_inside(np.concatenate([inside, box]), image, "here")


def test_a_folder_of_results_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    for name in ("file", "file/below", "nowhere/below"):
        with pytest.raises(NotADirectoryError, match="is no folder, expected one for the results"):
            result_files.check_folder(tmp_path / name)
    result_files.check_folder(tmp_path / "new/below")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not JSON"),
        ("[1]", r"found \[1\], expected \{"),
        ('{"a.jpg": [[1, 2, 3]]}', r"found \[\[1, 2, 3\]\] for 'a.jpg', expected"),
        ('{"a.jpg": [1, 2, 3, 4]}', r"found \[1, 2, 3, 4\] for 'a.jpg', expected"),
        ('{"a.jpg": [[1, 2, 3, true]]}', "for 'a.jpg', expected"),
        ('{"a.jpg": "x"}', "found 'x' for 'a.jpg'"),
        ('{"a.jpg": [[5, 5, 1, 9]]}', "expected x_min < x_max"),
        ('{"a.jpg": [], "a.jpg": [[5, 5, 7, 9]]}', "the key 'a.jpg' stands twice"),
    ],
)
def test_bad_box_files_are_refused(tmp_path, text, message):
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        face_boxes.read_boxes(path)


def test_results_keep_the_folders_and_never_share_a_name(pictures, tmp_path):
    files = file_patterns.list_files([str(pictures), f"{pictures}/more"])
    stems = result_files.output_stems(files, tmp_path / "out", result_files.common_folder(files))
    assert [str(stem.relative_to(tmp_path / "out")) for stem in stems] == ["a", "b", "more/c"]
    with pytest.raises(ValueError, match="whose annotations would be overwritten"):
        result_files.output_stems(files, pictures, pictures)
    cv2.imwrite(str(pictures / "a.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png would both write"):
        result_files.output_stems(file_patterns.list_files([str(pictures)]), tmp_path / "out", pictures)


def test_written_points_read_back_to_a_ten_thousandth_of_a_pixel(tmp_path):
    points = np.random.default_rng(0).uniform(-3, 500, (W300_68.num_points, 2))
    result_files.write_points(tmp_path / "face.pts", points)
    found = pts.parse_pts((tmp_path / "face.pts").read_bytes(), "face.pts", W300_68.num_points) - 1
    np.testing.assert_allclose(found, points, atol=1e-4)


def test_the_detector_finds_a_drawn_face_where_its_landmarks_are():
    """Of 12 drawn faces most are found, and the boxes fit: intersection over union above one half."""
    detector, overlaps = FaceDetector(), []
    for index in range(12):
        drawing = draw_face(seed=0, split=1, index=index)
        truth = geometry.box_of_points(drawing.points)
        for box in detector(drawing.image):
            low, high = np.maximum(box[:2], truth[:2]), np.minimum(box[2:], truth[2:])
            shared = np.prod(np.maximum(high - low, 0))
            overlaps.append(shared / (np.prod(box[2:] - box[:2]) + np.prod(truth[2:] - truth[:2]) - shared))
    assert np.sum(np.array(overlaps) > 0.5) >= 6


def test_json_tells_the_picture_the_scheme_and_every_face(tmp_path):
    face = Face(
        box=np.array([1.0, 2.0, 3.0, 4.0]),
        landmarks=np.ones((68, 2)),
        confidence=np.full(68, 0.5),
        open_channels=np.array([True, False, True]),
    )
    text = result_files._as_json(tmp_path / "a.jpg", np.zeros((20, 30, 3), np.uint8), [face], W300_68)
    contents = json.loads(text)
    assert (contents["width"], contents["height"], contents["scheme"]) == (30, 20, "w300_68")
    assert contents["faces"][0]["open_channels"] == 2
    assert contents["faces"][0]["landmarks"] == np.ones((68, 2)).tolist()


def test_the_overlay_is_drawn_on_a_copy(tmp_path):
    face = Face(np.array([2.0, 2.0, 28.0, 18.0]), np.full((68, 2), 9.0), None, None)
    image = np.zeros((20, 30, 3), np.uint8)
    result_files.write_results(tmp_path / "a.jpg", tmp_path / "out/a", image, [face], W300_68)
    assert not image.any()
    assert cv2.imread(str(tmp_path / "out/a_landmarks.jpg")).any()


def test_results_of_one_picture_are_never_those_of_another(tmp_path):
    folder = tmp_path / "photos"
    files = [folder / "a.png", folder / "a.face1.png"]
    with pytest.raises(ValueError, match=r"a\.face1\.png is called as a further face of .*a\.png"):
        result_files.output_stems(files, tmp_path / "out", folder)


def test_results_are_called_as_the_picture_is_not_as_what_it_links_to(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "holiday.png").symlink_to(tmp_path / "store/8f3ab.png")
    [stem] = result_files.output_stems([tmp_path / "holiday.png"], tmp_path / "out", tmp_path)
    assert stem == tmp_path / "out/holiday"


def test_a_new_prediction_removes_what_an_earlier_one_made_of_more_faces(tmp_path):
    image, face = (
        np.zeros((20, 30, 3), np.uint8),
        Face(np.array([2.0, 2, 28, 18]), np.full((68, 2), 9.0), None, None),
    )
    result_files.write_results(tmp_path / "a.jpg", tmp_path / "out/a", image, [face, face], W300_68)
    kept = {tmp_path / "out" / name for name in ("a.face1.json", "ab.pts", "a.faces.pts")}
    for path in (*kept, tmp_path / "out/a.face1_heatmaps.png"):
        path.touch()
    result_files.write_results(tmp_path / "a.jpg", tmp_path / "out/a", image, [face], W300_68)
    written = {tmp_path / "out" / name for name in ("a.json", "a.pts", "a_landmarks.jpg")}
    assert set((tmp_path / "out").iterdir()) == kept | written


def test_one_file_by_two_paths_is_listed_once(pictures, monkeypatch):
    monkeypatch.chdir(pictures)
    assert len(file_patterns.list_files(["a.jpg", str(pictures / "a.jpg")])) == 1


@pytest.mark.parametrize("shape", [(1, 5000, 3), (5000, 1, 3), (2, 6000, 3)])
def test_thin_pictures_have_no_face(shape):
    assert FaceDetector()(np.zeros(shape, np.uint8)).shape == (0, 4)
    assert len(predict_files.whole_image_boxes(np.zeros(shape, np.uint8), 0.125)) == (
        0 if min(shape[:2]) == 1 else 1
    )
