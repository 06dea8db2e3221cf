"""Tracking of faces: numbers, losses, returns, and the calls of detector and network."""

import dataclasses
import itertools

import numpy as np
import pytest
from drawn_faces import DOTS, SCHEME, DotFinder, frames, picture

from dsat_jax import five_points, geometry, schemes
from dsat_jax.inference import tracking
from dsat_jax.inference.landmarks import Face
from dsat_jax.inference.tracking import Tracks
from dsat_jax.inference.video_files import Frame

DARK = np.zeros((160, 240, 3), np.uint8)


def follow(finder, images, **settings):
    """Returns a dictionary from track numbers to landmarks for each frame."""
    tracked = tracking.follow_faces(finder.predictor, frames(*images), **settings)
    return [{track.number: track.face.landmarks for track in tracks} for _, tracks in tracked]


def face(x, y, size=40.0, confidence=0.5):
    """Returns a face whose landmarks are the corners of its square box."""
    corners = np.array([[x, y], [x + size, y], [x, y + size], [x + size, y + size]])
    return Face(np.array([x, y, x + size, y + size]), corners, confidence, None, SCHEME)


@pytest.mark.parametrize("together", [1, 4, 8])
def test_a_moving_face_is_one_track_with_its_landmarks(together):
    path = [(20 + 0.4 * number, 30 + 0.3 * number) for number in range(25)]
    finder = DotFinder()
    tracked = follow(finder, [picture(at) for at in path], look_every=10, together=together)
    assert [list(tracks) for tracks in tracked] == [[0]] * 25
    for tracks, at in zip(tracked, path, strict=True):
        np.testing.assert_allclose(tracks[0], DOTS + at, atol=0.5)
    assert finder.detections == 3  # in frames 0, 10 and 20
    batches = -(-24 // together)  # of the frames after the first, each with one look
    assert finder.batches == batches + finder.detections  # a detected face in a precise box has one look, too


def test_a_second_face_is_found_at_the_next_detection():
    images = [picture((20, 30))] * 7 + [picture((20, 30), (150, 40))] * 9
    tracked = follow(DotFinder(), images, look_every=5)
    assert [sorted(tracks) for tracks in tracked] == [[0]] * 10 + [[0, 1]] * 6
    np.testing.assert_allclose(tracked[-1][1], DOTS + np.array([150, 40]), atol=0.5)


def test_a_lost_face_keeps_its_number_at_the_same_position_and_gets_a_new_one_elsewhere():
    first, second = picture((20, 30)), picture((150, 40))
    finder = DotFinder()
    tracked = follow(finder, [first] * 5 + [DARK] * 4 + [first] * 3 + [DARK] * 2 + [second] * 2)
    expected = [[0]] * 5 + [[]] * 4 + [[0]] * 3 + [[]] * 2 + [[1]] * 2
    assert [list(tracks) for tracks in tracked] == expected
    assert finder.detections == 1 + 4 + 1 + 2 + 1  # in every frame without a face and in the first one after


def test_after_a_cut_both_faces_have_their_landmarks_at_once():
    tracked = follow(DotFinder(), [picture((20, 30))] * 6 + [picture((170, 110))] * 6, together=4)
    assert [list(tracks) for tracks in tracked] == [[0]] * 6 + [[1]] * 6
    np.testing.assert_allclose(tracked[6][1], DOTS + np.array([170, 110]), atol=0.5)


def test_no_more_frames_are_read_than_the_network_takes():
    read = 0

    def reading():
        nonlocal read
        for frame in frames(*[picture((20, 30))] * 40):
            read += 1
            yield frame

    following = tracking.follow_faces(DotFinder().predictor, reading(), together=4)
    for number, _ in enumerate(itertools.islice(following, 30)):
        assert read <= number + 4


def test_overlaps_worked_out_by_hand():
    boxes = np.array([[0.0, 0, 4, 2], [10, 10, 12, 12]])
    others = np.array([[2.0, 0, 6, 2], [0, 0, 4, 2], [4, 0, 5, 2]])
    np.testing.assert_allclose(geometry.box_overlaps(boxes, others), [[4 / 12, 1, 0], [0, 0, 0]])
    assert geometry.box_overlaps(boxes, np.empty((0, 4))).shape == (2, 0)


def test_a_box_is_carried_with_most_of_the_landmarks():
    detected = face(10, 20)
    moved = face(100, 50, size=80.0)  # twice as large
    box, roll = tracking.carried_box(detected, moved)
    np.testing.assert_allclose(box, [100, 50, 180, 130])
    assert roll == 0
    cloud = Face(
        detected.box, np.random.default_rng(0).uniform([10, 20], [50, 60], (99, 2)), None, None, SCHEME
    )
    stray = cloud.landmarks + np.array([3.0, 0.0])
    stray[:3] = [900.0, -700.0]
    carried, _ = tracking.carried_box(cloud, Face(detected.box, stray, None, None, SCHEME))
    np.testing.assert_allclose(carried - detected.box, [3, 0, 3, 0], atol=1.0)
    collapsed = Face(detected.box, np.full((4, 2), 7.0), None, None, SCHEME)
    assert not np.isfinite(tracking.carried_box(collapsed, moved)[0]).any()


def test_a_box_turns_with_the_five_points_of_its_face():
    """The landmarks of a face with five points turn by 30 degrees about a corner of the image; so does the box."""
    scheme = schemes.find("w300_68")
    points = np.random.default_rng(0).uniform(100, 200, (68, 2))
    for indices, at in zip(scheme.five_points, five_points.TEMPLATE, strict=True):
        points[list(indices)] = at + 100
    angle = np.pi / 6
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    box = np.array([90.0, 90.0, 210.0, 220.0])
    detected = Face(box, points, None, None, scheme)
    moved = Face(box, points @ turn.T, None, None, scheme)
    carried, roll = tracking.carried_box(detected, moved)
    assert roll == pytest.approx(angle)
    np.testing.assert_allclose(carried[2:] - carried[:2], box[2:] - box[:2], rtol=0.1)
    np.testing.assert_allclose(geometry.box_centre(carried), turn @ geometry.box_centre(box), atol=10)


def test_a_track_has_the_score_of_its_last_detection():
    tracks = Tracks()
    tracks.look([dataclasses.replace(face(10, 20), score=0.9)], Frame(0, 0.0, DARK))
    tracks.follow([face(12, 20)], Frame(1, 0.04, DARK))
    assert tracks.current[0].score == 0.9
    tracks.look([dataclasses.replace(face(12, 20, confidence=0.1), score=0.7)], Frame(2, 0.08, DARK))
    assert tracks.current[0].score == 0.7
    tracks.look([], Frame(3, 0.12, DARK))
    assert tracks.current[0].score == 0.7


def started(*faces):
    tracks = Tracks()
    tracks.look(faces, Frame(0, 0.0, DARK))
    return tracks


@pytest.mark.parametrize(
    "now",
    [
        face(90, 20),  # at another position
        face(10, 20, confidence=0.19),  # 0.5 at the detection
        face(10, 20, size=2.0),
        face(10, 20, size=0.0),
        face(np.nan, 20),
        face(10, 20, size=1000.0),
    ],
)
def test_a_track_ends_with_an_implausible_face(now):
    tracks = started(face(10, 20))
    assert tracks.follow([face(12, 20)], Frame(1, 0.04, DARK)) is False
    assert tracks.follow([now], Frame(2, 0.08, DARK)) is True
    assert tracks.current == []


def test_a_track_ends_when_its_centre_leaves_the_image():
    tracks = started(face(-15, 20))
    assert tracks.follow([face(-19, 20)], Frame(1, 0.04, DARK)) is False
    assert tracks.follow([face(-21, 20)], Frame(2, 0.08, DARK)) is True


def test_of_two_tracks_on_one_face_the_older_is_kept():
    tracks = started(face(10, 20), face(60, 20))
    assert [track.number for track in tracks.current] == [0, 1]
    assert tracks.follow([face(30, 20), face(34, 20)], Frame(1, 0.04, DARK)) is True
    assert [track.number for track in tracks.current] == [0]


def test_a_face_found_twice_by_the_detector_is_one_track():
    assert len(started(face(10, 20), face(14, 22)).current) == 1


@pytest.mark.parametrize("landmarks", [np.full((4, 2), 30.0), np.full((4, 2), np.nan)])
def test_a_detection_with_collapsed_landmarks_starts_no_track(landmarks):
    collapsed = Face(np.array([10.0, 20.0, 50.0, 60.0]), landmarks, None, None, SCHEME)
    assert started(collapsed).current == []


@pytest.mark.parametrize(("confidence", "kept"), [(None, False), (0.5, True)])
def test_without_confidence_the_detector_must_confirm_a_face(confidence, kept):
    known = face(10, 20, confidence=confidence)
    tracks = started(known)
    for number in (25, 50):
        assert tracks.look([], Frame(number, number / 25, DARK)) is False
    tracks.look([known], Frame(75, 3.0, DARK))
    changes = [tracks.look([], Frame(number, number / 25, DARK)) for number in (100, 125, 150)]
    assert changes == [False, False, not kept]
    assert bool(tracks.current) is kept


def test_a_whole_video_without_confidence():
    tracked = follow(DotFinder(has_confidence=False), [picture((20, 30))] * 12 + [DARK], look_every=4)
    assert [list(tracks) for tracks in tracked[:12]] == [[0]] * 12


def test_numbers_of_frames_below_one_are_refused():
    for settings in ({"look_every": 0}, {"together": 0}):
        with pytest.raises(ValueError, match="expected at least 1"):
            follow(DotFinder(), [DARK], **settings)


def test_a_track_without_detection_and_confidence_ends():
    """A confident track continues without the detector, as for a turned face; one of low confidence ends."""
    tracks = Tracks()
    tracks.look([face(20, 30, confidence=0.6), face(150, 40, confidence=0.2)], Frame(0, 0.0, DARK))
    kept = []
    for number in range(1, 5):
        frame = Frame(number, number / 25, DARK)
        tracks.follow(
            [face(20, 30, confidence=0.5), face(150, 40, confidence=0.2)][: len(tracks.current)], frame
        )
        tracks.look([], frame)
        kept.append([track.number for track in tracks.current])
    assert kept == [[0, 1], [0, 1], [0], [0]]


@pytest.mark.parametrize(
    ("faces", "frames"), [(0, 1), (1, 4), (2, 4), (3, 4), (5, 2), (8, 2), (9, 1), (40, 1)]
)
def test_as_many_frames_as_fill_the_batches(faces, frames):
    """Of 5 faces, two frames fill batches of 8 and 2; of 3 faces, four frames fill batches of 8 and 4."""
    assert tracking._frames_at_once(faces, together=4) == frames
    assert tracking._frames_at_once(faces, together=1) == 1
