"""Export of a trained network, with `jax.export` or as an ONNX model.

In: a trained network. Out: one file that predicts without the code of the network, or a weights file.
"""
