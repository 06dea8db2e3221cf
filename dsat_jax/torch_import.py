"""Weights of the released PyTorch DSAT as Flax variables.

Each array of the Flax network says by its path which PyTorch entries it is made of: `_NAMES` translates a
path piece by piece. Where the Flax network stacks the parameters of all scales or heads in one array, the
PyTorch name has a {scale} or {head} in it, and the array's leading axes count them. PyTorch itself is
imported only to read its own file format.
"""

import itertools
import pathlib
import pickle
import re
import zipfile
from collections.abc import Iterator

import numpy as np
from flax import traverse_util

# A piece of a Flax path, as a regular expression for the whole of it -> the piece of PyTorch's name; '' adds
# nothing. With the number n in the Flax piece: {same} = n, {before} = n - 1, and {level} = 5 - n, since
# PyTorch counts the levels of an hourglass from the innermost.
_NAMES = {
    "params|batch_stats|attention": "",
    "stem_conv": "conv1",
    "stem_block_1": "conv2",
    "stem_block_2": "conv3",
    "hourglass_([0-9]+)": "conv4_{same}",
    "head_block": "conv5",
    "head_upsample": "Upsample.upsample",
    "head_conv": "conv6",
    # Bottleneck.
    "norm_([123])": "bn{same}",
    "conv_([123])": "conv{same}",
    "shortcut_norm": "downsample.0",
    "shortcut_conv": "downsample.2",
    # Hourglass.
    "skip_([1-4])": "b1_{level}",
    "down_([1-4])": "b2_{level}",
    "bottom": "b2_plus_1",
    "up_([1-4])": "b3_{level}",
    "upsample": "Upsample.upsample",
    # Channel transformer.
    "channel_transformer": "mtc",
    "patch_([1-4])": "embeddings_{same}.patch_embeddings",
    "position": "embeddings_{scale}.position_embeddings",
    "encoder": "encoder",
    "block_([0-9]+)": "layer.{before}",
    "attention_norm": "attn_norm{scale}",
    "concatenated_norm": "attn_norm",
    "query": "channel_attn.query{scale}.{head}.weight",
    "key": "channel_attn.key.{head}.weight",
    "value": "channel_attn.value.{head}.weight",
    "out": "channel_attn.out{scale}",
    "mlp_norm": "ffn_norm{scale}",
    "mlp_in": "ffn{scale}.fc1",
    "mlp_out": "ffn{scale}.fc2",
    "final_norm": "encoder_norm{scale}",
    "reconstruct_conv": "reconstruct_{scale}.conv",
    "reconstruct_norm": "reconstruct_{scale}.norm",
    # Arrays.
    "kernel|scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


def load_torch_dsat(path: str | pathlib.Path, variables_template: dict) -> dict:
    """Reads a checkpoint of the released DSAT.

    Args:
      path: a state dict as .npz, .pth or .pth.tar, alone or under the key 'state_dict', with or without the
        'module.' that PyTorch's DataParallel puts before each name.
      variables_template: {'params', 'batch_stats'} of the DSAT to fill, as arrays or as the shapes that
        `jax.eval_shape` gives of its `init`.

    Returns:
      {'params', 'batch_stats'} with the template's structure, float32 NumPy arrays.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is of another kind or damaged, or if entries are missing, left over or of
        another shape; the message names every one.
    """
    return convert(read_state_dict(path), variables_template, source=str(path))


def read_state_dict(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """The entries of a checkpoint file by their PyTorch names; for path and errors see `load_torch_dsat`."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    if path.name.endswith(".npz"):
        state = _read_npz(path)
    elif path.name.endswith((".pth", ".pth.tar")):
        state = _read_pth(path)
    else:
        raise ValueError(f"{path} is not a checkpoint that can be read: expected .npz, .pth or .pth.tar")
    return {name.removeprefix("module."): array for name, array in state.items()}


def _read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged, or not an .npz archive")
    with np.load(path) as archive:
        return dict(archive)


def _read_pth(path: pathlib.Path) -> dict[str, np.ndarray]:
    import torch  # here alone: the library runs without PyTorch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} is damaged, or holds more than tensors: {error}") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state dict: expected tensors by name, alone or under 'state_dict'")
    return {name: tensor.float().numpy() for name, tensor in state.items()}


def convert(state: dict[str, np.ndarray], variables_template: dict, source: str) -> dict:
    """Turns a PyTorch state dict into Flax variables; `source` names it in errors. See `load_torch_dsat`."""
    template = traverse_util.flatten_dict({k: variables_template[k] for k in ("params", "batch_stats")})
    # BatchNorm counts its steps, which a fixed momentum has no use for.
    unused = {name for name in state if not name.endswith("num_batches_tracked")}
    problems, variables = [], {}
    for path, leaf in template.items():
        variables[path] = array = np.zeros(leaf.shape, np.float32)
        for name, index in torch_entries(path, leaf.shape):
            if name not in state:
                problems.append(f"missing: {name} (for {'/'.join(path)})")
                continue
            unused.discard(name)
            part, expected = to_flax_layout(name, state[name]), array[index].shape
            if part.shape == expected:
                array[index] = part
            else:
                problems.append(f"wrong shape: {name} is {part.shape} in Flax's layout, expected {expected}")
    problems += [f"unused: {name}" for name in sorted(unused)]
    if problems:
        raise ValueError(f"{source} does not fit the network:\n  " + "\n  ".join(problems))
    return traverse_util.unflatten_dict(variables)


def torch_entries(path: tuple[str, ...], shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The PyTorch entries that a Flax array is made of.

    Args:
      path: of the array in the variables, for example ('params', 'stem_conv', 'kernel').
      shape: of the array.

    Yields:
      PyTorch's name, and the index of its part in the array, () where it fills the whole of it.
    """
    name = ".".join(filter(None, map(_translate, path)))
    counters = re.findall("{(scale|head)}", name)
    for index in itertools.product(*map(range, shape[: len(counters)])):
        counted = {"scale": 0, "head": 0} | dict(zip(counters, index, strict=True))
        # PyTorch counts its scales from 1 and its heads from 0.
        yield name.format(scale=counted["scale"] + 1, head=counted["head"]), index


def _translate(piece: str) -> str:
    """PyTorch's name for a piece of a path; what the released network does not have keeps its name."""
    for pattern, name in _NAMES.items():
        if match := re.fullmatch(pattern, piece):
            number = int(match[1]) if match.lastindex else 0
            return name.format(
                same=number, before=number - 1, level=5 - number, scale="{scale}", head="{head}"
            )
    return piece


def to_flax_layout(name: str, array: np.ndarray) -> np.ndarray:
    """A PyTorch array in the layout of its Flax counterpart.

    Convolutions OIHW -> HWIO, 1x1 convolutions [O, I, 1, 1] -> [I, O], transposed convolutions IOHW -> HWIO,
    linear layers [O, I] -> [I, O], position embeddings [1, T, C] -> [T, C]; vectors stay. An array of any
    other form stays too, and its shape tells.
    """
    if array.ndim == 4 and "Upsample" in name:
        return array.transpose(2, 3, 0, 1)
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
        is_matrix = array.shape[:2] == (1, 1) and "patch_embeddings" not in name
        return array[0, 0] if is_matrix else array
    if array.ndim == 3 and len(array) == 1:
        return array[0]
    return array.T if array.ndim == 2 else array
