"""Evaluation: errors of a trained network on the splits of a dataset, in original pixels.

In: a trained network and records. Out: tables of NME, FR and AUC, `metrics.json`, `faces.csv`, `report.html` and
`ced.png`; comparisons between evaluated runs.
"""
