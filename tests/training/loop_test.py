"""A tiny run from data to landmarks: training, resuming, evaluation and prediction on images."""

import json
import pathlib

import numpy as np
import pytest

from configs import synthetic
from dsat_jax import drawing, geometry, schemes
from dsat_jax.config import differences, load_config
from dsat_jax.evaluation import evaluate
from dsat_jax.evaluation.choices import Choices
from dsat_jax.inference import predict_files, trained_network
from dsat_jax.inference.forward import jit_forward
from dsat_jax.training import loop
from dsat_jax.training.recorder import METRICS_LOG
from tfds_builders.synthetic_faces.drawing import draw_face

STEPS = 6


def tiny_config(data_dir: str):
    """The default configuration, shrunk: 64 faces, 32 pixels, 8 channels."""
    config = synthetic.get_config()
    config.data.update(
        dataset="synthetic_faces/tiny", data_dir=data_dir, train="train[:48]", validation="train[48:]"
    )
    config.input.size = 32
    config.model.update(width=8, stacks=0)  # stem, gate and head: they compile fast
    config.loss.sparsity = 0.01
    config.optimizer.update(warmup_steps=2)
    config.train.update(batch_size=8, steps=STEPS, log_every=2, evaluate_every=3)
    config.evaluate.update(batch_size=8)
    return config


@pytest.fixture(scope="module")
def config(tiny_dataset):
    return tiny_config(tiny_dataset)


@pytest.fixture(scope="module")
def run(config, tmp_path_factory) -> tuple[pathlib.Path, dict]:
    """The folder and the final summaries of an uninterrupted run."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    assert loop.train(config, workdir) is not None
    return workdir, evaluate.evaluate_run(workdir)


def logged(workdir: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / METRICS_LOG).read_text().splitlines()]


def test_a_run_writes_its_files(run, config):
    workdir, summaries = run
    for name in ("config.json", METRICS_LOG, evaluate.METRICS_FILE, evaluate.CED_FILE, drawing.SAMPLES_FILE):
        assert (workdir / name).stat().st_size > 0, name
    assert list(workdir.glob("events.out.tfevents.*"))
    contents = json.loads((workdir / evaluate.METRICS_FILE).read_text())
    assert contents["normaliser"] == "inter_ocular"
    assert contents["subsets"] == summaries
    assert summaries["test"]["faces"] == 16
    attributes = ("pose", "expression", "illumination", "makeup", "occlusion", "blur")
    subsets = [f"test/{name}" for name in (*attributes, "visible points", "occluded points")]
    assert list(summaries) == ["test", *subsets]
    lines = logged(workdir)
    assert [line["step"] for line in lines if "loss" in line] == [2, 4, 6]
    assert [line["step"] for line in lines if "validation_nme" in line] == [3, 6]
    for line in lines:
        assert all(np.isfinite(value) for value in line.values())
    checkpoints = {path.name for path in (workdir / "checkpoints").iterdir() if path.is_dir()}
    assert "6" in checkpoints
    assert checkpoints <= {"3", "6"}  # the newest and the best


def test_a_stopped_and_resumed_run_ends_as_an_uninterrupted_one(run, config, tmp_path):
    whole, summaries = run
    stopped = tmp_path / "stopped"
    assert loop.train(config, stopped, should_stop=lambda step: step == 2) is None
    assert logged(stopped)[-1]["step"] == 4  # two more steps were in flight
    assert loop.train(config, stopped) is not None
    resumed = evaluate.evaluate_run(stopped)
    assert resumed == summaries
    strip = [
        {name: value for name, value in line.items() if name != "images_per_second"}
        for line in logged(stopped)
        if line["step"] > 4
    ]
    expected = [
        {name: value for name, value in line.items() if name != "images_per_second"}
        for line in logged(whole)
        if line["step"] > 4
    ]
    assert strip == expected


@pytest.mark.slow
def test_a_run_that_keeps_its_images_in_memory_has_the_same_losses(run, config, tmp_path, capsys):
    keeping = config.copy_and_resolve_references()
    keeping.train.keep_decoded = True
    assert loop.train(keeping, tmp_path) is not None
    assert "decoded images are kept in memory: 48 records x " in capsys.readouterr().out
    whole, _ = run
    losses = [[line["loss"] for line in logged(folder) if "loss" in line] for folder in (tmp_path, whole)]
    assert losses[0] == losses[1]


def test_running_a_finished_run_again_only_evaluates(run, config):
    workdir, summaries = run
    before = logged(workdir)
    assert int(loop.train(config, workdir).step) == STEPS
    assert evaluate.evaluate_run(workdir) == summaries
    assert logged(workdir) == before


def test_evaluation_of_another_split_needs_only_the_folder(run):
    workdir, _ = run
    kept = (workdir / evaluate.METRICS_FILE).read_text()
    summaries = evaluate.evaluate_run(workdir, Choices(splits=["train[:10]"]))
    assert summaries["train[:10]"]["faces"] == 10
    assert (workdir / evaluate.METRICS_FILE).read_text() == kept
    assert (workdir / "evaluations/synthetic_faces.tiny+train[:10]" / evaluate.METRICS_FILE).is_file()


def test_another_configuration_is_refused_in_the_same_folder(run, config):
    workdir, _ = run
    other = config.copy_and_resolve_references()
    other.train.batch_size = 16
    with pytest.raises(ValueError, match=r"another configuration \(train\.batch_size: 8 saved, 16 given\)"):
        loop.train(other, workdir)


def test_prediction_of_a_mirrored_crop_is_the_mirrored_prediction(run, config):
    """This is true of any weights, because of mirror averaging."""
    workdir, _ = run
    network = trained_network.load(workdir)
    forward = jit_forward(network.model, config, network.mesh)
    images = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    points = np.asarray(forward(network.variables, images).points)
    mirrored = np.asarray(forward(network.variables, images[:, :, ::-1]).points)
    permutation = schemes.find(config.data.scheme).mirror_permutation
    np.testing.assert_allclose(geometry.mirror_points(mirrored, 32, permutation), points, atol=1e-3)


def test_prediction_of_images_writes_landmarks_of_every_face(run, tmp_path):
    workdir, _ = run
    faces = {"one.png": draw_face(seed=0, split=1, index=0), "two.png": draw_face(seed=0, split=1, index=1)}
    boxes = {}
    for name, drawn in faces.items():
        drawing.write_image(tmp_path / name, drawn.image)
        boxes[name] = [geometry.box_of_points(drawn.points).tolist()]
    boxes["two.png"] *= 2
    (tmp_path / "three.png").write_bytes(b"no picture")
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    options = predict_files.Options(boxes=str(tmp_path / "boxes.json"))
    counts = predict_files.predict_files(workdir, [f"{tmp_path}/*.png"], tmp_path / "out", options)
    assert counts == {"faces": 3, "unreadable": 1}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"landmarks.csv"} | {f"one{end}" for end in (".json", ".pts", "_landmarks.jpg")} | {
        f"two{end}" for end in (".json", ".pts", ".face1.pts", "_landmarks.jpg")
    }
    face = json.loads((tmp_path / "out" / "one.json").read_text())["faces"][0]
    assert np.shape(face["landmarks"]) == (98, 2)
    assert np.shape(face["confidence"]) == ()
    with pytest.raises(ValueError, match="could read none of 1 file"):
        predict_files.predict_files(
            workdir, [str(tmp_path / "three.png")], tmp_path / "out", predict_files.Options()
        )


def test_a_run_folder_has_the_configuration_of_its_training(run, config):
    workdir, _ = run
    assert differences(load_config(workdir), config) == []
