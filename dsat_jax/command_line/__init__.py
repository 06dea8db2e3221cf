"""The command line, `run.py` in a clone and `dsat-jax` where the package is installed.

Input: flags. Output: the result of a mode (train, evaluate, predict, export, compare, benchmark, plan), and an
exit code. Bad input is reported in one sentence.
"""
