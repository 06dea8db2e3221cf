"""Import of the released DSAT: layouts, file formats, and checkpoints that do not fit."""

import functools
import math
import pathlib
import subprocess
import sys
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_networks import made_dsat

from dsat_jax.weights.state_dict import read_state_dict
from dsat_jax.weights.torch_import import load_torch_dsat


@functools.cache
def make_template(points: int, width: int, side: int, gate: str) -> dict:
    model = made_dsat(num_points=points, num_boundaries=0, width=width, stacks=2, gate=gate)
    init = functools.partial(model.init, train=False)
    return jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, side, side, 3)))


@pytest.fixture
def state(recording) -> dict[str, np.ndarray]:
    return read_state_dict(recording / "weights.npz")


@pytest.fixture
def template(state, request) -> dict:
    """Shapes of the recorded network's variables, with the gate of the test's `template` parameter."""
    width, tokens = (
        state["conv3.conv3.weight"].shape[0],
        state["conv4_1.mtc.embeddings_4.position_embeddings"].shape[1],
    )
    gate = getattr(request, "param", "released")
    return make_template(len(state["conv6.weight"]), width, 32 * math.isqrt(tokens), gate)


def save(directory: pathlib.Path, state: dict[str, np.ndarray]) -> pathlib.Path:
    np.savez(directory / "weights.npz", **state)
    return directory / "weights.npz"


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch, which alone reads and writes .pth files, is not installed"
    )


def test_layouts(state, template, recording):
    params = load_torch_dsat(recording / "weights.npz", template)["params"]
    hourglass = jax.tree.map(lambda stacked: stacked[1], params["hourglasses"])
    transformer = hourglass["channel_transformer"]
    attention = transformer["encoder"]["block_3"]["attention"]
    for array, name, transposed in [
        (params["stem_conv"]["kernel"], "conv1.weight", (2, 3, 1, 0)),
        (params["head_upsample"]["kernel"], "Upsample.upsample.weight", (2, 3, 0, 1)),
        (hourglass["skip_1"]["conv_1"]["kernel"][None, None], "conv4_2.b1_4.conv1.weight", (2, 3, 1, 0)),
        (transformer["patch_4"]["kernel"], "conv4_2.mtc.embeddings_4.patch_embeddings.weight", (2, 3, 1, 0)),
        (transformer["position"][2:3], "conv4_2.mtc.embeddings_3.position_embeddings", (0, 1, 2)),
        (attention["query"][1, 3], "conv4_2.mtc.encoder.layer.2.channel_attn.query2.3.weight", (1, 0)),
        (attention["key"][2], "conv4_2.mtc.encoder.layer.2.channel_attn.key.2.weight", (1, 0)),
        (attention["out"]["kernel"][3], "conv4_2.mtc.encoder.layer.2.channel_attn.out4.weight", (1, 0)),
    ]:
        np.testing.assert_array_equal(array, state[name].transpose(transposed), err_msg=name)


@pytest.mark.parametrize("form", ["plain", "checkpoint"])
def test_pth_holds_the_same_as_npz(torch, tmp_path, state, template, form, recording):
    path = recording / "weights.pth"
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    if form == "checkpoint":
        # As training scripts save it: nested, with the names of DataParallel and step counters.
        tensors = {f"module.{name}": tensor for name, tensor in tensors.items()}
        tensors["module.conv2.bn1.num_batches_tracked"] = torch.tensor(7)
        path = tmp_path / "checkpoint.pth.tar"
        torch.save({"epoch": 3, "state_dict": tensors}, path)
    elif not path.exists():  # Only the larger recording has a .pth file.
        path = tmp_path / "weights.pth"
        torch.save(tensors, path)
    expected = load_torch_dsat(recording / "weights.npz", template)
    jax.tree.map(np.testing.assert_array_equal, load_torch_dsat(path, template), expected)


def test_one_error_names_all_entries_that_do_not_fit(tmp_path, state, template):
    points, channels = state["conv6.weight"].shape[:2]
    del state["conv4_1.mtc.encoder.layer.0.channel_attn.query2.3.weight"]
    del state["conv2.bn1.running_var"]
    state["conv6.weight"] = state["conv6.weight"][:-1]
    state["conv7.weight"] = np.zeros(3, np.float32)
    path = save(tmp_path, state)
    with pytest.raises(ValueError, match="does not fit the network") as error:
        load_torch_dsat(path, template)
    first, *problems = str(error.value).splitlines()
    assert str(path) in first
    assert sorted(line.strip() for line in problems) == [
        "missing: conv2.bn1.running_var (for batch_stats/stem_block_1/norm_1/var)",
        "missing: conv4_1.mtc.encoder.layer.0.channel_attn.query2.3.weight (for params/hourglasses/"
        "channel_transformer/encoder/block_1/attention/query)",
        "unused: conv7.weight",
        f"wrong shape: conv6.weight is (3, 3, {channels}, {points - 1}) in Flax's layout, "
        f"expected (3, 3, {channels}, {points})",
    ]


@pytest.mark.parametrize("template", ["learned"], indirect=True)
def test_weights_for_a_learned_gate_are_missing(recording, template):
    with pytest.raises(ValueError, match=r"missing: gate\.hidden\.weight \(for params/gate/hidden/kernel\)"):
        load_torch_dsat(recording / "weights.npz", template)


def test_step_counters_are_dropped(tmp_path, state, template):
    state["conv2.bn1.num_batches_tracked"] = np.array(7)
    load_torch_dsat(save(tmp_path, state), template)


def test_absent_files_and_other_formats_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*absent\.pth"):
        read_state_dict(tmp_path / "absent.pth")
    (tmp_path / "weights.bin").touch()
    with pytest.raises(
        ValueError, match=r"weights\.bin .* expected \.npz, \.safetensors, \.pth or \.pth\.tar"
    ):
        read_state_dict(tmp_path / "weights.bin")


def test_damaged_npz_files_are_refused(tmp_path):
    path = save(tmp_path, {"conv1.weight": np.ones(1000, np.float32)})
    content = bytearray(path.read_bytes())
    content[500] ^= 1  # a bit of the array, covered by the checksum of the archive
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("data.pkl", b"not an array")
    for damaged in (b"not a zip archive", bytes(content), (tmp_path / "other.zip").read_bytes()):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"weights\.npz is damaged, or not an \.npz archive of arrays"):
            read_state_dict(path)


def test_pth_files_without_a_state_dict_are_refused(torch, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"weights\.pth is damaged"):
        read_state_dict(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(ValueError, match=r"weights\.pth .* it holds no state dict"):
        read_state_dict(path)


def test_npz_is_read_without_pytorch(tmp_path):
    path = save(tmp_path, {"module.conv1.bias": np.ones(2, np.float32)})
    program = (
        "import sys; from dsat_jax.weights.state_dict import read_state_dict; "
        f"assert list(read_state_dict({str(path)!r})) == ['conv1.bias']; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=pathlib.Path(__file__).parents[2])
