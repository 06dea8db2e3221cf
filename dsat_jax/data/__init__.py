"""The input pipeline on the host: from records of a built dataset to batches of crops and points.

Input: a configuration and a TFDS split. Output: uint8 crops, float32 points in input pixels and their weights, shuffled
and geometrically augmented for training, in order for evaluation. With `config.data.resident`, training records stay on
the devices, and batches contain their numbers.
"""
