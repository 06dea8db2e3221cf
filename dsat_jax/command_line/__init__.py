"""The command line, `run.py` in a clone and `dsat-jax` where the package is installed.

In: flags. Out: one of the modes (train, evaluate, predict, export, compare, benchmark), and an exit code; bad input is
answered with one sentence.
"""
