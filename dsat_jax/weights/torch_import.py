"""Conversion of PyTorch weights to Flax variables: the released DSAT, and the ImageNet weights of backbones.

The path of a Flax array determines the PyTorch entries that it consists of (`dsat_jax.weights.torch_names`). Where an
array stacks the parameters of all hourglasses, scales or heads, these are its leading axes.
"""

import itertools
import pathlib
import re
from collections.abc import Iterator

import numpy as np
from flax import traverse_util

from dsat_jax.errors import UserError
from dsat_jax.weights import torch_names
from dsat_jax.weights.state_dict import read_state_dict
from dsat_jax.weights.torch_names import TorchNames


def load_torch_dsat(path: str | pathlib.Path, variables_template: dict) -> dict:
    """Reads a checkpoint of the released DSAT.

    Args:
      path: checkpoint file in a format of `state_dict.read_state_dict`.
      variables_template: {'params', 'batch_stats'} of the DSAT to fill, arrays or the result of `jax.eval_shape` of its
        `init`.

    Returns:
      {'params', 'batch_stats'} with the template's structure, float32 NumPy arrays.

    Raises:
      FileNotFoundError: if the file does not exist.
      UserError: if the file cannot be read, or if entries are missing, unused, of another shape or not finite; the
        message names all of them.
    """
    return convert(read_state_dict(path), variables_template, torch_names.DSAT, source=str(path))


def load_backbone(path: str | pathlib.Path, backbone_name: str, variables_template: dict) -> dict:
    """Reads ImageNet weights of a backbone, without the classifier.

    Args:
      path: checkpoint file in a format of `state_dict.read_state_dict`, with the names of torchvision for mobilenet_v2
        and resnet50, of timm for hrnet_w18 and hrnet_w32, and of efficientnet-lite-pytorch for efficientnet_lite0.
      backbone_name: key of `dsat_jax.models.backbones.BACKBONES`.
      variables_template: {'params', 'batch_stats'} of the backbone alone, arrays or the result of `jax.eval_shape` of
        its `init`.

    Returns:
      {'params', 'batch_stats'} with the template's structure, float32 NumPy arrays.

    Raises:
      FileNotFoundError: if the file does not exist.
      UserError: if the backbone does not exist, or for a reason listed in `load_torch_dsat`.
    """
    if backbone_name not in torch_names.BACKBONES:
        raise UserError(f"no backbone {backbone_name!r}: expected one of {sorted(torch_names.BACKBONES)}")
    names = torch_names.BACKBONES[backbone_name]
    return convert(read_state_dict(path), variables_template, names, source=str(path))


def convert(state: dict[str, np.ndarray], variables_template: dict, names: TorchNames, source: str) -> dict:
    """Turns a PyTorch state dict into Flax variables.

    Args:
      state: arrays by PyTorch's names.
      variables_template: {'params', 'batch_stats'} of the network to fill, arrays or shapes.
      names: translation to PyTorch's names.
      source: origin of the state dict, for error messages.

    Returns:
      {'params', 'batch_stats'} with the template's structure, float32 NumPy arrays.

    Raises:
      UserError: if entries are missing, unused, of another shape or not finite; the message names all of them.
    """
    template = traverse_util.flatten_dict({k: variables_template[k] for k in ("params", "batch_stats")})
    # PyTorch's BatchNorm counts its steps; a fixed momentum does not need the count.
    dropped = {n for n in state if n.startswith(names.dropped) or n.endswith("num_batches_tracked")}
    unused = state.keys() - dropped
    problems, variables = [], {}
    for path, leaf in template.items():
        variables[path] = array = np.zeros(leaf.shape, np.float32)
        for name, index in torch_entries(path, leaf.shape, names):
            if name not in state:
                problems.append(f"missing: {name} (for {'/'.join(path)})")
                continue
            unused.discard(name)
            expected = array[index].shape
            part = to_flax_layout(name, state[name], len(expected))
            if part.shape != expected:
                problems.append(f"wrong shape: {name} is {part.shape} in Flax's layout, expected {expected}")
                continue
            with np.errstate(over="ignore"):  # values beyond float32 become infinite, and are reported below
                array[index] = part
            if not np.isfinite(array[index]).all():
                problems.append(f"not finite: {name}")
    problems += [f"unused: {name}" for name in sorted(unused)]
    if problems:
        raise UserError(f"{source} does not fit the network:\n  " + "\n  ".join(problems))
    return traverse_util.unflatten_dict(variables)


def torch_entries(
    path: tuple[str, ...], shape: tuple[int, ...], names: TorchNames = torch_names.DSAT
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Lists the PyTorch entries that a Flax array consists of.

    Args:
      path: path of the array in the variables, for example ('params', 'stem_conv', 'kernel').
      shape: shape of the array.
      names: translation to PyTorch's names.

    Yields:
      PyTorch's name of the entry, and the index of its part of the array; () if the entry fills the whole array.
    """
    name = names.translate(path)
    counters = re.findall("{(stack|scale|head)}", name)
    for index in itertools.product(*map(range, shape[: len(counters)])):
        counted = dict(zip(counters, index, strict=True))
        # PyTorch counts its heads from 0, but its hourglasses and scales from 1.
        yield name.format(**{counter: i + (counter != "head") for counter, i in counted.items()}), index


def to_flax_layout(name: str, array: np.ndarray, axes: int) -> np.ndarray:
    """Returns a PyTorch array in the layout of its Flax counterpart.

    Convolutions OIHW -> HWIO, 1x1 convolutions that are matrix products [O, I, 1, 1] -> [I, O], depthwise
    convolutions [C, 1, H, W] -> [H, W, C], transposed convolutions IOHW -> HWIO, linear layers [O, I] -> [I, O],
    position embeddings [1, T, C] -> [T, C]; vectors stay unchanged. An array of another form keeps its unexpected axes,
    and `convert` then reports its shape.

    Args:
      name: name of the PyTorch entry.
      array: PyTorch entry.
      axes: number of axes of the Flax counterpart.
    """
    if array.ndim == 4 and "Upsample" in name:
        return array.transpose(2, 3, 0, 1)
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
        if axes == 2 and array.shape[:2] == (1, 1):
            return array[0, 0]
        return array[:, :, 0] if axes == 3 and array.shape[2] == 1 else array
    if array.ndim == 3 and len(array) == 1:
        return array[0]
    return array.T if array.ndim == 2 else array
