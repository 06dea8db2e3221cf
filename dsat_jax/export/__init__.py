"""Export of a trained network: to `jax.export` and to ONNX.

In: a trained network. Out: one file that predicts without the code of the network, or a file of weights.
"""
