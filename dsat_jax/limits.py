"""Limits of the network's input, for configurations and for exported networks."""

INPUT_SIZE = (16, 4096)  # side in pixels
ENLARGE = (0, 10)  # margin of the crop around a face box, as a share of the box
