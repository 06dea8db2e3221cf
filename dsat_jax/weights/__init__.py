"""Weights as files: safetensors with their configuration, PyTorch state dicts, and the shipped networks (`zoo`).

In: a path or the name of a shipped network. Out: checked arrays by name, and the configuration of their network.
"""
