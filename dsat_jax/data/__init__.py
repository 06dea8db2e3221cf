"""The input pipeline on the host: records of a built dataset to batches of crops and points.

In: a configuration and a TFDS split. Out: uint8 crops, float32 points in input pixels and their weights, shuffled and
geometrically augmented for training, in order for evaluation.
"""
