"""Faces followed from frame to frame: numbers, losses, returns, and when detector and network are asked."""

import itertools

import numpy as np
import pytest
from drawn_faces import DOTS, DotFinder, frames, picture

from dsat_jax import geometry
from dsat_jax.inference import tracking
from dsat_jax.inference.landmarks import Face
from dsat_jax.inference.tracking import Tracks
from dsat_jax.inference.video_files import Frame

NOWHERE = np.zeros((160, 240, 3), np.uint8)


def follow(finder, pictures, **settings):
    """For each frame a dictionary from track numbers to landmarks."""
    found = tracking.follow_faces(finder.predictor, frames(*pictures), **settings)
    return [{track.number: track.face.landmarks for track in tracks} for _, tracks in found]


def face(x, y, size=40.0, confidence=0.5):
    """A face whose landmarks and box fill a square."""
    corners = np.array([[x, y], [x + size, y], [x, y + size], [x + size, y + size]])
    sure = None if confidence is None else np.full(4, confidence, np.float32)
    return Face(np.array([x, y, x + size, y + size]), corners, sure, None)


@pytest.mark.parametrize("together", [1, 4, 8])
def test_a_moving_face_is_one_track_with_its_landmarks(together):
    way = [(20 + 0.75 * number, 30 + 0.5 * number) for number in range(25)]
    finder = DotFinder()
    found = follow(finder, [picture(at) for at in way], look_every=10, together=together)
    assert [list(tracks) for tracks in found] == [[0]] * 25
    for tracks, at in zip(found, way, strict=True):
        np.testing.assert_allclose(tracks[0], DOTS + at, atol=0.5)
    assert finder.looks == 3  # in frames 0, 10 and 20
    batches = 1 + -(-24 // together)  # of the frames after the first
    assert finder.batches == 2 * (batches + finder.looks - 1)  # two crops of each face


def test_a_second_face_is_found_at_the_next_look():
    pictures = [picture((20, 30))] * 7 + [picture((20, 30), (150, 40))] * 9
    found = follow(DotFinder(), pictures, look_every=5)
    assert [sorted(tracks) for tracks in found] == [[0]] * 10 + [[0, 1]] * 6
    np.testing.assert_allclose(found[-1][1], DOTS + np.array([150, 40]), atol=0.5)


def test_a_lost_face_has_its_number_again_where_it_comes_back_and_a_new_one_elsewhere():
    here, there = picture((20, 30)), picture((150, 40))
    finder = DotFinder()
    found = follow(finder, [here] * 5 + [NOWHERE] * 4 + [here] * 3 + [NOWHERE] * 2 + [there] * 2)
    expected = [[0]] * 5 + [[]] * 4 + [[0]] * 3 + [[]] * 2 + [[1]] * 2
    assert [list(tracks) for tracks in found] == expected
    assert finder.looks == 1 + 4 + 1 + 2 + 1  # in every frame without a face and in the first one after


def test_after_a_cut_both_faces_have_their_landmarks_at_once():
    found = follow(DotFinder(), [picture((20, 30))] * 6 + [picture((170, 110))] * 6, together=4)
    assert [list(tracks) for tracks in found] == [[0]] * 6 + [[1]] * 6
    np.testing.assert_allclose(found[6][1], DOTS + np.array([170, 110]), atol=0.5)


def test_no_more_frames_are_read_than_the_network_takes():
    read = 0

    def reading():
        nonlocal read
        for frame in frames(*[picture((20, 30))] * 40):
            read += 1
            yield frame

    following = tracking.follow_faces(DotFinder().predictor, reading(), together=4)
    for given, _ in enumerate(itertools.islice(following, 30)):
        assert read <= given + 4


def test_overlaps_worked_out_by_hand():
    boxes = np.array([[0.0, 0, 4, 2], [10, 10, 12, 12]])
    others = np.array([[2.0, 0, 6, 2], [0, 0, 4, 2], [4, 0, 5, 2]])
    np.testing.assert_allclose(geometry.box_overlaps(boxes, others), [[4 / 12, 1, 0], [0, 0, 0]])
    assert geometry.box_overlaps(boxes, np.empty((0, 4))).shape == (2, 0)


def test_a_box_is_carried_with_most_of_the_landmarks():
    detected = face(10, 20)
    moved = face(100, 50, size=80.0)  # twice as large
    np.testing.assert_allclose(tracking.carried_box(detected, moved), [100, 50, 180, 130])
    cloud = Face(detected.box, np.random.default_rng(0).uniform([10, 20], [50, 60], (99, 2)), None, None)
    stray = cloud.landmarks + np.array([3.0, 0.0])
    stray[:3] = [900.0, -700.0]
    carried = tracking.carried_box(cloud, Face(detected.box, stray, None, None))
    np.testing.assert_allclose(carried - detected.box, [3, 0, 3, 0], atol=1.0)
    collapsed = Face(detected.box, np.full((4, 2), 7.0), None, None)
    assert not np.isfinite(tracking.carried_box(collapsed, moved)).any()


def started(*faces):
    tracks = Tracks()
    tracks.look(faces, Frame(0, 0.0, NOWHERE))
    return tracks


@pytest.mark.parametrize(
    "now",
    [
        face(90, 20),  # elsewhere
        face(10, 20, confidence=0.19),  # 0.5 at the look
        face(10, 20, size=2.0),
        face(10, 20, size=0.0),
        face(np.nan, 20),
        face(10, 20, size=1000.0),
    ],
)
def test_what_ends_a_track(now):
    tracks = started(face(10, 20))
    assert tracks.follow([face(12, 20)], Frame(1, 0.04, NOWHERE)) is False
    assert tracks.follow([now], Frame(2, 0.08, NOWHERE)) is True
    assert tracks.current == []


def test_a_face_that_leaves_the_picture_ends_when_its_middle_does():
    tracks = started(face(-15, 20))
    assert tracks.follow([face(-19, 20)], Frame(1, 0.04, NOWHERE)) is False
    assert tracks.follow([face(-21, 20)], Frame(2, 0.08, NOWHERE)) is True


def test_of_two_tracks_on_one_face_the_older_stays():
    tracks = started(face(10, 20), face(60, 20))
    assert [track.number for track in tracks.current] == [0, 1]
    assert tracks.follow([face(30, 20), face(34, 20)], Frame(1, 0.04, NOWHERE)) is True
    assert [track.number for track in tracks.current] == [0]


def test_a_face_found_twice_by_the_detector_is_one_track():
    assert len(started(face(10, 20), face(14, 22)).current) == 1


@pytest.mark.parametrize("landmarks", [np.full((4, 2), 30.0), np.full((4, 2), np.nan)])
def test_a_detection_whose_landmarks_collapse_is_no_face(landmarks):
    collapsed = Face(np.array([10.0, 20.0, 50.0, 60.0]), landmarks, None, None)
    assert started(collapsed).current == []


@pytest.mark.parametrize(("confidence", "stays"), [(None, False), (0.5, True)])
def test_without_confidence_the_detector_must_confirm_a_face(confidence, stays):
    known = face(10, 20, confidence=confidence)
    tracks = started(known)
    for number in (25, 50):
        assert tracks.look([], Frame(number, number / 25, NOWHERE)) is False
    tracks.look([known], Frame(75, 3.0, NOWHERE))
    changes = [tracks.look([], Frame(number, number / 25, NOWHERE)) for number in (100, 125, 150)]
    assert changes == [False, False, not stays]
    assert bool(tracks.current) is stays


def test_a_whole_video_without_confidence():
    found = follow(DotFinder(tells_confidence=False), [picture((20, 30))] * 12 + [NOWHERE], look_every=4)
    assert [list(tracks) for tracks in found[:12]] == [[0]] * 12


def test_numbers_of_frames_below_one_are_refused():
    for settings in ({"look_every": 0}, {"together": 0}):
        with pytest.raises(ValueError, match="expected at least 1"):
            follow(DotFinder(), [NOWHERE], **settings)


def test_a_track_of_which_neither_detector_nor_network_is_sure_ends():
    """A sure face goes on without the detector, as when it turns; one that was never sure does not."""
    tracks = Tracks()
    tracks.look([face(20, 30, confidence=0.6), face(150, 40, confidence=0.2)], Frame(0, 0.0, NOWHERE))
    kept = []
    for number in range(1, 5):
        frame = Frame(number, number / 25, NOWHERE)
        tracks.follow(
            [face(20, 30, confidence=0.5), face(150, 40, confidence=0.2)][: len(tracks.current)], frame
        )
        tracks.look([], frame)
        kept.append([track.number for track in tracks.current])
    assert kept == [[0, 1], [0, 1], [0], [0]]
