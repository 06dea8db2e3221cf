"""Plots of cumulative error distributions."""

import cv2
import numpy as np
from matplotlib.figure import Figure

from dsat_jax.evaluation import error_curves


def test_a_curve_for_each_name_in_percent():
    axes = Figure().subplots()
    nme = {"test": np.array([0.02, 0.05, 0.2, np.nan]), "_part$": np.array([0.04])}
    error_curves.draw_curves(axes, nme, 0.08, "inter-ocular")
    assert axes.get_xlabel() == "NME (inter-ocular), %"
    assert axes.get_xlim() == (0, 8)
    errors, shares = axes.lines[0].get_data()
    np.testing.assert_allclose(errors, [0, 2, 5, 8])
    np.testing.assert_allclose(shares, [0, 100 / 3, 200 / 3, 200 / 3])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [" test (AUC 37.5 %)", r" _part\$ (AUC 50.0 %)"]


def test_the_plot_is_written_as_png(tmp_path):
    error_curves.draw_error_curves({"a$x_{1$": np.array([0.03])}, 0.08, "inter-ocular", tmp_path / "ced.png")
    assert cv2.imread(str(tmp_path / "ced.png")).shape == (540, 720, 3)
