"""Evaluation of runs, also on datasets of another scheme, and the files of the results."""

import json
import pathlib
import re

import jax.numpy as jnp
import made_runs
import numpy as np
import pytest

import tfds_builders
from configs import synthetic
from dsat_jax import geometry, schemes
from dsat_jax.config import default, load_config
from dsat_jax.data import datasets
from dsat_jax.data.batches import evaluation_batches
from dsat_jax.errors import UserError
from dsat_jax.evaluation import evaluate
from dsat_jax.evaluation.choices import Choices
from dsat_jax.evaluation.result_files import FACES_FILE, METRICS_FILE, REPORT_FILE
from dsat_jax.inference import trained_network
from dsat_jax.inference.forward import jit_forward
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.runtime import sharding
from dsat_jax.weights import zoo
from tfds_builders import build

ATTRIBUTES = ["pose", "expression", "illumination", "makeup", "occlusion", "blur"]
RAW = pathlib.Path(tfds_builders.__file__).parent / "w300" / "dummy_data"


def begin_run(workdir: pathlib.Path, scheme: str, data_dir: str, dataset: str = "synthetic_faces") -> None:
    """Creates a run folder with a checkpoint of random weights."""
    config = synthetic.get_config()
    config.data.update(scheme=scheme, data_dir=data_dir, dataset=dataset)
    config.input.size = made_runs.SIZE
    config.model.update(made_runs.DSAT)
    config.evaluate.batch_size = 4
    config.evaluate.decoder = "log_quadratic"
    made_runs.begin_run(workdir, config)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> pathlib.Path:
    """Returns the folder of a run on 98 landmarks, with a built 300W in it."""
    workdir = tmp_path_factory.mktemp("runs")
    begin_run(workdir, "wflw_98", str(workdir / "data"))
    build.build("w300", RAW, workdir / "data")
    return workdir


@pytest.fixture
def tiny_config(tiny_dataset):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, scheme="wflw_98")
    config.evaluate.update(batch_size=16, threshold=0.1)
    return config


def predictions_of(workdir: pathlib.Path, split: str) -> tuple[np.ndarray, list[dict]]:
    """Returns the predicted landmarks of a split of 300W, [faces, 98, 2], original pixels, and its records."""
    network = trained_network.load(workdir)
    config = network.config
    forward = jit_forward(network.model, config, network.mesh)
    config.data.update(dataset="w300", scheme="w300_68")
    source = datasets.read_split(config, split)
    (batch,) = evaluation_batches(config, source, len(list(source)))
    points = np.asarray(forward(network.variables, batch["image"]).points, np.float64)
    return geometry.transform_points(batch["to_original"], points)[batch["mask"]], list(source)


def test_a_run_on_98_landmarks_is_evaluated_on_the_68_of_300w(run, capsys):
    summaries = evaluate.evaluate_run(run, Choices(dataset="w300"))
    assert {name: row["faces"] for name, row in summaries.items()} == {
        "helen_test": 2,
        "lfpw_test": 1,
        "test_challenging": 1,
        "test_common": 3,
        "test_full": 4,
    }
    assert {name: row["official_faces"] for name, row in summaries.items()} == {
        "helen_test": 330,
        "lfpw_test": 224,
        "test_challenging": 135,
        "test_common": 554,
        "test_full": 689,
    }
    assert re.search(r"^test_full +4 of 689 ", capsys.readouterr().out, re.MULTILINE)
    folder = run / "evaluations" / "w300"
    contents = json.loads((folder / METRICS_FILE).read_text())
    assert contents["subsets"] == summaries
    assert contents["normaliser_name"] == "inter-ocular"
    assert contents["gate"]["channels"] == 8
    assert (folder / REPORT_FILE).stat().st_size < 5_000_000
    lines = (folder / FACES_FILE).read_text().splitlines()
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


def test_a_run_on_68_landmarks_is_evaluated_on_labels_of_98(tmp_path, tiny_dataset):
    begin_run(tmp_path, "w300_68", tiny_dataset)
    summaries = evaluate.evaluate_run(tmp_path, Choices(dataset="synthetic_faces/tiny"))
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


def test_each_scheme_of_a_joint_run_has_its_own_results(tmp_path, tiny_dataset):
    joint = schemes.as_text(schemes.join([schemes.W300_68, schemes.WFLW_98], tied=False))
    begin_run(tmp_path, joint, tiny_dataset, "synthetic_faces/tiny")
    own = evaluate.evaluate_run(tmp_path)
    described = json.loads((tmp_path / METRICS_FILE).read_text())
    assert described["scheme"] == "wflw_98"  # that of the dataset, although it is not the first
    other = evaluate.evaluate_run(tmp_path, Choices(scheme="w300_68"))
    assert json.loads((tmp_path / METRICS_FILE).read_text()) == described
    folder = tmp_path / "evaluations" / "synthetic_faces.tiny+(w300_68)"
    assert json.loads((folder / METRICS_FILE).read_text())["scheme"] == "w300_68"
    assert own["test"]["nme"] != other["test"]["nme"]


def test_normalisers_side_by_side(run, tmp_path, capsys):
    """The NME by two normalisers, against one evaluation with each; the run's own files stay."""
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir() if path.is_file()}
    chosen = {"dataset": "w300", "splits": ["helen_test"]}
    both = Choices(**chosen, normalisers=["box_size", "inter_ocular"], threshold=0.2, out=tmp_path / "both")
    summaries = evaluate.evaluate_run(run, both)
    out = capsys.readouterr().out
    assert "NME normalised by box-size" in out
    assert "NME normalised by inter-ocular" in out
    assert out.count("FR@20") == 2
    contents = json.loads((tmp_path / "both" / METRICS_FILE).read_text())
    assert (contents["normaliser"], contents["threshold"]) == ("box_size", 0.2)
    alone = evaluate.evaluate_run(run, Choices(**chosen, normalisers=["inter_ocular"], threshold=0.2))
    assert contents["other_normalisers"] == {"inter_ocular": alone}
    assert contents["subsets"] == summaries != alone
    assert (run / "evaluations" / "w300+[inter_ocular]+[0.2]+helen_test" / METRICS_FILE).is_file()
    after = {path.name: path.stat().st_mtime_ns for path in run.iterdir() if path.is_file()}
    assert after == before


def test_another_folder_of_datasets(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path}"):
        evaluate.evaluate_run(run, Choices(dataset="w300", data_dir=str(tmp_path)))


def test_results_that_cannot_be_written_are_refused_before_the_first_face(run, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "evaluate_splits", lambda *_: pytest.fail("evaluated"))
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"file/results: the results cannot be written there \(Not a directory\); choo"
    ):
        evaluate.evaluate_run(run, Choices(dataset="w300", out=tmp_path / "file" / "results"))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"normalisers": ["eye"]}, "unknown normaliser 'eye', expected one of inter_ocular, "),
        (
            {"threshold": 8.0},
            "--failure_threshold=8 is no share of the normaliser, expected 0 to 1, such as 0.08",
        ),
        ({"threshold": float("nan")}, "--failure_threshold=nan is no share"),
        ({"splits": ["a", "a"]}, "--split=a,a names a split more than once"),
    ],
)
def test_impossible_choices_are_refused(choice, message):
    with pytest.raises(UserError, match=message):
        Choices(**choice)


def test_schemes_without_a_conversion_are_refused(run):
    with pytest.raises(
        ValueError,
        match="wflw_98 cannot be converted to cofw_29; it has 15 of the 29 landmarks; known conversions",
    ):
        evaluate.evaluate_run(run, Choices(dataset="cofw"))


def test_attributes_are_in_the_order_of_the_builder(tiny_config, tmp_path, capsys):
    assert datasets.attribute_names(tiny_config) == ATTRIBUTES

    def corner_everywhere(variables, images):
        del variables
        return Landmarks(points=jnp.zeros((len(images), 98, 2)), confidence=None, gates=None)

    summaries = evaluate.evaluate_splits(
        corner_everywhere, {}, tiny_config, ["test", "train"], sharding.make_mesh(), tmp_path
    )
    rows = [
        split + subset
        for split in ("test", "train")
        for subset in ["", *(f"/{name}" for name in [*ATTRIBUTES, "visible points", "occluded points"])]
    ]
    assert list(summaries) == rows
    assert [line[:21].strip() for line in capsys.readouterr().out.splitlines()[2:-1]] == rows


def test_a_dataset_without_attributes_has_none(run):
    config = load_config(run)
    config.data.dataset = "w300"
    assert datasets.attribute_names(config) == []


def test_weights_files_of_the_same_name_have_different_folders(tmp_path):
    folders = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.safetensors").write_bytes(name.encode())
        folders.add(Choices(splits=["test"]).results_folder(tmp_path / name / "mine.safetensors", "w300"))
    assert len(folders) == 2
    shipped = Choices().results_folder(zoo.weights("dsat-300w"), "w300/original")
    assert shipped == pathlib.Path("evaluations/dsat-300w/w300.original")


def test_no_two_choices_of_splits_share_a_folder(tmp_path):
    choices = [[], ["test"], ["test", "train"], ["test+train"], ["train", "test"]]
    schemes_ = (None, "wflw_98", "w300_68")
    folders = {
        Choices(splits=choice, scheme=scheme, normalisers=["box_size"]).results_folder(tmp_path, "w300")
        for choice in choices
        for scheme in schemes_
    }
    assert len(folders) == len(choices) * len(schemes_)
    with pytest.raises(UserError, match=r"--split=test,test names a split more than once"):
        evaluate.evaluate_run(tmp_path, Choices(splits=["test", "test"]))
