"""Evaluation: errors of a trained network on the splits of a dataset, in original pixels.

Input: a trained network and records. Output: tables of NME, FR and AUC, and the files of `result_files`; comparisons of
evaluated runs.
"""
