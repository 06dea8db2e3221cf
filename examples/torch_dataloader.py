"""Batches of face crops for PyTorch from a built dataset; it needs neither this project nor TensorFlow.

pip install torch tensorflow-datasets array_record importlib_resources opencv-python-headless
python examples/torch_dataloader.py --dataset=w300/faces --split='train[:95%]'
"""

import argparse
from collections.abc import Mapping

import cv2
import numpy as np
import tensorflow_datasets as tfds

MARGIN = 1.25  # side of the crop divided by the longer side of the face box


def crop(face: Mapping[str, np.ndarray], side: int) -> dict[str, np.ndarray]:
    """Returns a square crop around the face box of a record.

    Args:
      face: record with `image`, `landmarks`, `visibility` and `box`.
      side: side of the crop in pixels.

    Returns:
      image: float32 [3, side, side], 0 to 1, RGB.
      landmarks: float32 [points, 2], (x, y) in pixels of the crop; pixel centres are at integers.
      known: bool [points], whether the position is known.
    """
    low, high = face["box"][:2], face["box"][2:]
    scale = side / (MARGIN * (high - low).max())
    shift = (side - 1) / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    image = cv2.warpAffine(face["image"], matrix, (side, side), flags=cv2.INTER_LINEAR)
    return {
        "image": np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32) / 255,
        "landmarks": (scale * face["landmarks"] + shift).astype(np.float32),
        "known": face["visibility"] > 0,
    }


class Crops:
    """Crops of a split in random access, as `torch.utils.data.DataLoader` takes them; its own collation stacks them.

    Args:
      dataset: name of a built dataset, such as `w300/faces`.
      split: TFDS split.
      side: side of the crops in pixels.
      data_dir: root folder of the built datasets; None for TFDS's.
    """

    def __init__(self, dataset: str, split: str, side: int = 128, data_dir: str | None = None):
        self._faces = tfds.data_source(dataset, split=split, data_dir=data_dir)
        self._side = side

    def __len__(self) -> int:
        return len(self._faces)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return crop(self._faces[index], self._side)


def main() -> None:
    """Prints the shapes of a batch."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="w300/faces", help="name of a built dataset")
    parser.add_argument("--split", default="train", help="TFDS split")
    parser.add_argument("--data_dir", help="root folder of the built datasets; default: TFDS's")
    parser.add_argument("--workers", type=int, default=2, help="processes that read")
    options = parser.parse_args()
    from torch.utils.data import DataLoader

    crops = Crops(options.dataset, options.split, data_dir=options.data_dir)
    # A process that has started threads must not be forked; `spawn` starts new ones.
    context = "spawn" if options.workers else None
    loader = DataLoader(
        crops, batch_size=32, shuffle=True, num_workers=options.workers, multiprocessing_context=context
    )
    batch = next(iter(loader))
    print(f"{len(crops)} faces;", {name: tuple(value.shape) for name, value in batch.items()})


if __name__ == "__main__":
    main()
