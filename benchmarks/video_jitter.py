"""Jitter and lag of landmarks in a video of a moving drawn face, with and without smoothing.

python -m benchmarks.video_jitter runs/synthetic

The face rests, moves slowly, then quickly, each for a third of the video. The frames are drawn with true landmarks and
independent sensor noise, and written to an .mp4 file, which `video.predict_video` reads. Smoothing does not change the
tracking: all settings smooth the same landmarks.
"""

import argparse
import json
import pathlib
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from dsat_jax import Predictor
from dsat_jax.inference import video, video_files
from dsat_jax.inference.one_euro import OneEuro
from dsat_jax.schemes import WFLW_98
from tfds_builders.synthetic_faces import drawing
from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.parameters import Parameters, Photo
from tfds_builders.synthetic_faces.pose import Pose

RATE = 25.0  # frames per second
FRAMES = 450
NOISE = 4.0  # standard deviation, of 255
PARTS = ("rest", "slow", "quick")
SPEEDS = (0.0, 0.25, 1.0)  # cycles of the motion per second
SETTINGS = {
    "none": None,
    "One-Euro, default": OneEuro(),
    "One-Euro, beta 10": OneEuro(beta=10.0),
    "One-Euro, beta 20": OneEuro(beta=20.0),
    "One-Euro, beta 80": OneEuro(beta=80.0),
    "fixed cutoff of 1 Hz": OneEuro(beta=0.0),
}


def moved(phase: float) -> Parameters:
    """Returns the face at a phase of its motion, in cycles; pose, position, size and smile vary with the phase."""
    wave = [np.sin(2 * np.pi * factor * phase) for factor in (1.0, 0.7, 0.5, 0.9, 0.3)]
    pose = Pose(
        yaw=14 * wave[0],
        pitch=6 * wave[1],
        roll=8 * wave[2],
        scale=0.85 + 0.05 * wave[4],
        centre=(128 + 14 * wave[3], 132 + 8 * wave[1]),
    )
    smile = 0.4 + 0.4 * wave[1]
    return Parameters(
        pose=pose, expression=Expression(smile=(smile, smile)), photo=Photo(noise=0.0), texture_seed=7
    )


def draw(folder: pathlib.Path) -> tuple[pathlib.Path, np.ndarray]:
    """Writes the video and returns its path and its true landmarks, float64 [frames, 98, 2], frame pixels."""
    random, points, phase = np.random.default_rng(0), [], 0.0
    file = folder / "face.mp4"
    writer = None
    for number in range(FRAMES):
        phase += SPEEDS[number * len(PARTS) // FRAMES] / RATE
        face = drawing.draw(moved(phase))
        noisy = face.image + random.normal(0, NOISE, face.image.shape)
        writer = writer or video_files.VideoWriter(file, RATE, face.image.shape[1::-1])
        writer.write(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
        points.append(face.points.astype(np.float64))
    writer.close()
    return file, np.array(points)


def found_landmarks(file: pathlib.Path) -> np.ndarray:
    """Returns the landmarks of the first face of each frame, [frames, 98, 2], frame pixels; NaN without a face.

    Args:
      file: file of landmarks that `video.predict_video` writes.
    """
    frames = [json.loads(line) for line in file.read_text().splitlines()]
    missing = np.full((WFLW_98.num_points, 2), np.nan)
    return np.array([frame["faces"][0]["landmarks"] if frame["faces"] else missing for frame in frames])


def measure(landmarks: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Returns the jitter in pixels and in percent of the inter-ocular distance, and the NME in percent.

    Jitter is the mean length of the change of a landmark's error vector from one frame to the next.

    Args:
      landmarks: predicted landmarks, [frames, points, 2], frame pixels.
      truth: true landmarks, [frames, points, 2], frame pixels.
    """
    left, right = WFLW_98.eye_corners
    inter_ocular = np.linalg.norm(truth[:, left] - truth[:, right], axis=-1)
    errors = landmarks - truth
    changes = np.linalg.norm(np.diff(errors, axis=0), axis=-1).mean(axis=1)
    nme = np.linalg.norm(errors, axis=-1).mean(axis=1) / inter_ocular
    return changes.mean(), 100 * (changes / inter_ocular[1:]).mean(), 100 * nme.mean()


def lag(smoothed: np.ndarray, unsmoothed: np.ndarray, truth: np.ndarray) -> float:
    """Returns the delay that smoothing causes, in milliseconds; NaN for a face at rest.

    It is the least-squares solution of smoothed - unsmoothed = -lag * v over all landmarks, with the true velocities v.

    Args:
      smoothed: smoothed landmarks, [frames, points, 2], frame pixels.
      unsmoothed: landmarks before smoothing, [frames, points, 2], frame pixels.
      truth: true landmarks, [frames, points, 2], frame pixels.
    """
    velocity = np.gradient(truth, 1 / RATE, axis=0)
    power = np.square(velocity).sum()
    return -1000 * ((smoothed - unsmoothed) * velocity).sum() / power if power > 1e-9 else np.nan


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", help="run folder, or weights file of 98 landmarks")
    predictor = Predictor.from_run(parser.parse_args(arguments).run)
    with tempfile.TemporaryDirectory() as folder:
        file, truth = draw(pathlib.Path(folder))
        parts = np.arange(FRAMES) * len(PARTS) // FRAMES
        print("| smoothing | part | jitter, px | jitter, % | NME, % | lag, ms |")
        print("|---|---|---|---|---|---|")
        unsmoothed = None
        for name, smooth in SETTINGS.items():
            results = video.predict_video(
                predictor, file, pathlib.Path(folder) / "out", video.Settings(smooth)
            )
            smoothed = found_landmarks(results.landmarks)
            unsmoothed = smoothed if unsmoothed is None else unsmoothed
            for number, part in enumerate(PARTS):
                chosen = parts == number
                jitter, percent, nme = measure(smoothed[chosen], truth[chosen])
                delay = lag(smoothed[chosen], unsmoothed[chosen], truth[chosen])
                late = "" if smooth is None else f"{delay:.0f}"
                print(f"| {name} | {part} | {jitter:.2f} | {percent:.2f} | {nme:.2f} | {late} |", flush=True)
            print(f"{results.tracks} tracks", file=sys.stderr)


if __name__ == "__main__":
    main()
