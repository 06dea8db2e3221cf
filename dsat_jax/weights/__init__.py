"""Weights as files: safetensors with their configuration, PyTorch state dicts, and the shipped networks (`zoo`).

In: a path or the name of a shipped network. Out: arrays by name, checked, and the configuration that they need.
"""
