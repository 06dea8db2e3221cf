"""A tiny LOTR run, from a pretrained backbone to the landmarks of an image."""

import functools
import json
import pathlib

import jax
import numpy as np
import pytest
import safetensors.numpy
from flax import traverse_util

from configs import synthetic
from dsat_jax import drawing, geometry
from dsat_jax.evaluation import evaluate
from dsat_jax.inference import predict_files, trained_network
from dsat_jax.models.backbones import BACKBONES
from dsat_jax.training import loop
from dsat_jax.training.recorder import METRICS_LOG
from dsat_jax.weights import torch_names
from dsat_jax.weights.torch_import import torch_entries
from tfds_builders.synthetic_faces.drawing import draw_face

pytestmark = pytest.mark.usefixtures("tiny_backbones")
TO_TORCH = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}


@pytest.fixture(scope="module")
def backbone() -> dict:
    """Variables of a MobileNetV2, by path."""
    images = np.zeros((1, 32, 32, 3), np.float32)
    init = jax.jit(functools.partial(BACKBONES["mobilenet_v2"]().init, train=False))
    return traverse_util.flatten_dict(init(jax.random.key(7), images))


@pytest.fixture(scope="module")
def weights_file(backbone, tmp_path_factory) -> pathlib.Path:
    """A file with the same variables under torchvision's names and in its layouts."""
    tensors = {}
    for path, leaf in backbone.items():
        ((name, _),) = torch_entries(path, leaf.shape, torch_names.BACKBONES["mobilenet_v2"])
        array = np.asarray(leaf)
        if array.ndim == 3:  # depthwise [3, 3, channels] -> [channels, 1, 3, 3]
            tensors[name] = np.moveaxis(array, 2, 0)[:, None].copy()
        else:
            tensors[name] = np.ascontiguousarray(array.transpose(TO_TORCH[array.ndim]))
        if array.ndim == 2:  # a matrix [inputs, outputs] -> [outputs, inputs, 1, 1]
            tensors[name] = tensors[name][:, :, None, None]
    path = tmp_path_factory.mktemp("weights") / "mobilenet_v2.safetensors"
    safetensors.numpy.save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def config(tiny_dataset, weights_file):
    config = synthetic.get_config("lotr-tiny")
    config.data.update(
        dataset="synthetic_faces/tiny", data_dir=tiny_dataset, train="train[:48]", validation="train[48:]"
    )
    config.input.size = 32
    config.model.update(dim=16, heads=2, feed_forward=32, head_width=16, freeze_norm=True)
    config.model.update(encoder_layers=1, decoder_layers=2)
    config.model.backbone_weights = str(weights_file)
    config.loss.auxiliary = 0.5
    # The learning rate is so small that the weights are still close to the pretrained ones after two steps.
    config.optimizer.update(name="lamb", learning_rate=1e-6, backbone_factor=0.1, warmup_steps=0, ema=0.0)
    config.train.update(batch_size=8, steps=2, log_every=1, evaluate_every=2)
    config.evaluate.update(batch_size=16)
    return config


@pytest.fixture(scope="module")
def run(config, tmp_path_factory) -> tuple[pathlib.Path, dict]:
    """The folder and the final summaries of a run."""
    workdir = tmp_path_factory.mktemp("runs") / "lotr"
    assert loop.train(config, workdir) is not None
    return workdir, evaluate.evaluate_run(workdir)


def test_it_trains_and_is_evaluated(run):
    workdir, summaries = run
    lines = [json.loads(line) for line in (workdir / METRICS_LOG).read_text().splitlines()]
    for line in lines[:2]:
        assert line["loss"] == pytest.approx(
            line["loss_coordinates"] + 0.5 * line["loss_auxiliary"], rel=1e-5
        )
    assert summaries["test"]["faces"] == 16
    assert np.isfinite(summaries["test"]["nme"])


def test_the_backbone_starts_from_the_file(run, backbone):
    workdir, _ = run
    variables = traverse_util.flatten_dict(trained_network.load(workdir).variables)
    moved = 0
    for path, leaf in backbone.items():
        trained = variables[path[0], "backbone", *path[1:]]
        np.testing.assert_allclose(trained, leaf, atol=1e-5, err_msg="/".join(path))
        moved += not np.array_equal(trained, leaf)
    # The 16 kernels have been trained; the frozen normalisations have not.
    assert moved == sum(path[-1] == "kernel" for path in backbone) == 16


@pytest.mark.slow
def test_the_log_names_the_origin_of_the_weights(config, weights_file, tmp_path, capsys):
    loop.train(config, tmp_path / "run", should_stop=lambda step: True)
    assert (
        f"starting from the mobilenet_v2 of {weights_file}, the rest from scratch" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("mobilenet_v2", "none.safetensors", r"no checkpoint .*none\.safetensors"),
        (
            "resnet50",
            None,
            r"(?s)mobilenet_v2\.safetensors does not fit the network:.* missing: conv1\.weight",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_before_training(config, tmp_path, name, file, message):
    other = config.copy_and_resolve_references()
    other.model.backbone = name
    other.model.backbone_weights = file or config.model.backbone_weights
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        loop.train(other, tmp_path / "run")


def test_prediction_has_no_confidence(run, tmp_path):
    workdir, _ = run
    drawn = draw_face(seed=0, split=1, index=0)
    drawing.write_image(tmp_path / "one.png", drawn.image)
    boxes = {"one.png": [geometry.box_of_points(drawn.points).tolist()]}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    options = predict_files.Options(boxes=str(tmp_path / "boxes.json"), explain=True)
    predict_files.predict_files(workdir, [f"{tmp_path}/*.png"], tmp_path / "out", options)
    assert (tmp_path / "out" / "one_attention.png").is_file()
    (face,) = json.loads((tmp_path / "out" / "one.json").read_text())["faces"]
    assert np.shape(face["landmarks"]) == (98, 2)
    assert face["confidence"] is None
