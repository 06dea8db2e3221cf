"""Checkpoints of a run in training, through Orbax, each with checksums of its files.

In: a training state and its NME on validation. Out: folders below `checkpoints/` of the run folder, from which a run
continues and from which `inference` loads the best network.
"""
