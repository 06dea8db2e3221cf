"""Evaluation: errors of a trained network on the splits of a dataset, in original pixels.

In: a trained network and records. Out: tables of NME, FR and AUC, and the files of `result_files`; comparisons of
evaluated runs.
"""
