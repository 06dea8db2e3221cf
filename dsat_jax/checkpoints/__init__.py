"""Checkpoints of a run, written by Orbax, each with checksums of its files.

In: a training state and its NME on the validation split. Out: folders below `checkpoints/` of the run folder, from
which a run continues and from which `inference` loads the best network.
"""
