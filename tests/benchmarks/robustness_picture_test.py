"""The plot of the robustness."""

import json

from PIL import Image

from benchmarks import robustness, robustness_picture


def test_the_plot_is_drawn_from_the_contents_of_the_json_file(tmp_path):
    nmes = {
        name: [(s, 4.0 + i) for i, s in enumerate(series.strengths)]
        for name, series in robustness.SERIES.items()
    }
    nmes["shift, refined"] = nmes["shift"]
    labels = {name: series.label for name, series in robustness.SERIES.items()}
    contents = {"network": "net", "split": "w300, test", "nme": nmes}
    robustness_picture.draw(json.loads(json.dumps(contents)), labels, tmp_path / "robustness.png")
    with Image.open(tmp_path / "robustness.png") as image:
        assert image.size == (1100, 560)
