"""Evaluation on a dataset whose landmarks are of another scheme, and by other normalisers."""

import json
import pathlib

import numpy as np
import pytest

import tfds_builders
from configs import synthetic
from dsat_jax import geometry, models, schemes
from dsat_jax.checkpoints.manager import Checkpoints
from dsat_jax.config import load_config, save_config
from dsat_jax.data import datasets
from dsat_jax.data.batches import evaluation_batches
from dsat_jax.evaluation import evaluate, report, split_result
from dsat_jax.inference import trained_network
from dsat_jax.inference.forward import jit_forward
from dsat_jax.runtime import sharding
from dsat_jax.training import optimizer, state
from dsat_jax.weights import zoo
from tfds_builders import build

RAW = pathlib.Path(tfds_builders.__file__).parent / "w300" / "dummy_data"


def begin_run(workdir: pathlib.Path, scheme: str, data_dir: str) -> None:
    """Makes the folder of a run whose checkpoint holds the weights of the beginning."""
    config = synthetic.get_config()
    config.data.update(scheme=scheme, data_dir=data_dir)
    config.input.size = 32
    config.model.update(width=8, stacks=1, transformer_layers=1, heads=2)
    config.evaluate.batch_size = 4
    config.evaluate.decoder = "log_quadratic"
    save_config(config, workdir)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    begun = state.create_on(
        sharding.make_mesh(), models.build_for(config), transform, config.input.size, seed=0
    )
    saved = Checkpoints(workdir)
    saved.save(begun, 100.0)
    saved.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> pathlib.Path:
    """The folder of a run on 98 landmarks; 300W is built beside."""
    workdir = tmp_path_factory.mktemp("runs")
    begin_run(workdir, "wflw_98", str(workdir / "data"))
    build.build("w300", RAW, workdir / "data")
    return workdir


def predictions_of(workdir: pathlib.Path, split: str) -> tuple[np.ndarray, list[dict]]:
    """The run's 98 landmarks [faces, 98, 2] in original pixels of a split of 300W, and its records."""
    network = trained_network.load(workdir)
    config = network.config
    forward = jit_forward(network.model, config, network.mesh)
    config.data.update(dataset="w300", scheme="w300_68")
    source = datasets.read_split(config, split)
    (batch,) = evaluation_batches(config, source, len(list(source)))
    points = np.asarray(forward(network.variables, batch["image"]).points, np.float64)
    return geometry.transform_points(batch["to_original"], points)[batch["mask"]], list(source)


def test_a_run_on_98_landmarks_is_measured_on_the_68_of_300w(run):
    summaries = evaluate.evaluate_run(run, dataset="w300")
    assert {name: row["faces"] for name, row in summaries.items()} == {
        "helen_test": 2,
        "lfpw_test": 1,
        "test_challenging": 1,
        "test_common": 3,
        "test_full": 4,
    }
    contents = json.loads((run / "evaluations" / "w300" / evaluate.METRICS_FILE).read_text())
    assert contents["subsets"] == summaries
    assert contents["gate"]["channels"] == 8
    assert (run / "evaluations" / "w300" / report.REPORT_FILE).stat().st_size < 5_000_000
    lines = (run / "evaluations" / "w300" / report.FACES_FILE).read_text().splitlines()
    assert len(lines) == 1 + sum(row["faces"] for row in summaries.values())

    predicted, records = predictions_of(run, "test_full")
    kept = [*range(0, 33, 2), *range(33, 38), *range(42, 47), *range(51, 60), 60, 61, 63, 64, 65, 67]
    kept += [68, 69, 71, 72, 73, 75, *range(76, 96)]
    nmes = []
    for face, record in zip(predicted[:, kept], records, strict=True):
        truth = geometry.transform_points(record["to_original"], record["landmarks"].astype(np.float64))
        between_eyes = np.linalg.norm(truth[36] - truth[45])
        nmes.append(np.linalg.norm(face - truth, axis=-1).mean() / between_eyes)
    assert summaries["test_full"]["nme"] == pytest.approx(100 * np.mean(nmes), rel=1e-4)


def test_a_run_on_68_landmarks_is_measured_on_labels_of_98(tmp_path, tiny_dataset):
    begin_run(tmp_path, "w300_68", tiny_dataset)
    summaries = evaluate.evaluate_run(tmp_path, dataset="synthetic_faces/tiny")
    assert summaries["test"]["faces"] == 16

    config = load_config(tmp_path)
    config.data.dataset = "synthetic_faces/tiny"
    chosen = datasets.read_split(config, "test")
    config.data.scheme = "wflw_98"
    whole = datasets.read_split(config, "test")
    assert len(chosen) == len(whole)
    expected = schemes.convert(whole[3]["landmarks"], schemes.WFLW_98, schemes.W300_68)
    np.testing.assert_array_equal(chosen[3]["landmarks"], expected)
    assert chosen[3]["visibility"].shape == (68,)
    assert chosen[3]["image"] == whole[3]["image"]


def test_a_dataset_without_a_way_to_its_landmarks_is_refused(run):
    with pytest.raises(
        ValueError, match="wflw_98 cannot be converted to cofw_29; there are wflw_98 to w300_68"
    ):
        evaluate.evaluate_run(run, dataset="cofw")


@pytest.mark.parametrize(
    ("normaliser", "size"),
    [("box_diagonal", 50.0), ("box_size", np.sqrt(30 * 40)), ("landmark_box_size", np.sqrt(10 * 90))],
)
def test_boxes_normalise_in_original_pixels(normaliser, size):
    """Labels in a 10 x 90 box of the original, every one missed by 6 pixels; the last is unknown and far away."""
    config = synthetic.get_config()
    config.data.scheme, config.evaluate.normaliser = "w300_68", normaliser
    labels = np.random.default_rng(0).uniform((0, 0), (10, 90), (1, 68, 2))
    labels[0, :3] = (0, 0), (10, 90), (5, 50)
    labels[0, 67] = (-500, 900)
    half = np.array([[2.0, 0.0, 7.0], [0.0, 2.0, -3.0]])  # input pixels to those of the original
    from_original = geometry.invert(half)
    rows = {
        "points": geometry.transform_points(from_original, labels),
        "predicted": geometry.transform_points(from_original, labels + np.array([6, 0])),
        "weights": np.where(np.arange(68) == 67, 0.0, 1.0)[None],
        "occluded": np.zeros((1, 68), bool),
        "to_original": half[None],
        "box": np.array([[-5.0, 10.0, 25.0, 50.0]]),
        "record": np.array([7]),
    }
    result = split_result.measure(rows, config, sample={})
    np.testing.assert_allclose(result.nme, [6 / size])
    np.testing.assert_allclose(result.predicted - labels, np.broadcast_to([6, 0], labels.shape), atol=1e-9)
    np.testing.assert_allclose(result.errors[0, :67], 6 / size)
    assert np.isnan(result.errors[0, 67])
    assert np.isnan(result.labels[0, 67]).all()
    assert result.record == [7]
    assert result.point_groups == {}


def test_occluded_landmarks_are_measured_apart_too():
    """Two faces between whose eyes there are 10 pixels: occluded landmarks are missed by 2, the others by 1."""
    config = synthetic.get_config()
    config.data.scheme = "w300_68"
    labels = np.zeros((2, 68, 2))
    labels[:, 45, 0] = 10.0
    occluded = np.zeros((2, 68), bool)
    occluded[0, :17] = True
    rows = {
        "points": labels,
        "predicted": labels + np.where(occluded[..., None], (2.0, 0.0), (0.0, 1.0)),
        "weights": np.ones((2, 68)),
        "occluded": occluded,
        "to_original": np.stack([geometry.IDENTITY] * 2),
        "box": np.array([[0.0, 0.0, 1.0, 1.0]] * 2),
        "record": np.array([0, 1]),
    }
    result = split_result.measure(rows, config, sample={})
    np.testing.assert_allclose(result.nme, [(17 * 0.2 + 51 * 0.1) / 68, 0.1])
    np.testing.assert_allclose(result.point_groups["visible points"], [0.1, 0.1])
    np.testing.assert_allclose(result.point_groups["occluded points"], [0.2, np.nan])
    summaries = evaluate.summarise("test", result, 0.1)
    assert list(summaries) == ["test", "test/visible points", "test/occluded points"]
    assert summaries["test/occluded points"]["faces"] == 1
    assert summaries["test/occluded points"]["nme"] == pytest.approx(20.0)


def test_results_of_two_files_of_one_name_lie_apart(tmp_path):
    folders = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.safetensors").write_bytes(name.encode())
        folders.add(
            evaluate._results_folder(tmp_path / name / "mine.safetensors", "w300", ["test"], own=False)
        )
    assert len(folders) == 2
    shipped = evaluate._results_folder(zoo.weights("dsat-300w"), "w300/original", [], own=True)
    assert shipped == pathlib.Path("evaluations/dsat-300w/w300.original")
