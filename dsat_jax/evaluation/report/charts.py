"""Charts as inline SVG. The style sheet of the page sets their colours, for light and dark mode."""

import dataclasses
import html
from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 44
_LOCATOR = MaxNLocator(nbins=5, steps=[1, 2, 5, 10])  # places ticks at round values


@dataclasses.dataclass(frozen=True)
class Axis:
    """An axis of a chart.

    Attributes:
      label: name of the quantity and its unit.
      low: value at the start of the axis.
      high: value at the end of the axis.
    """

    label: str
    low: float
    high: float

    def share(self, values: np.ndarray) -> np.ndarray:
        """Positions of values along the axis: 0 at its start, 1 at its end, clipped to this range."""
        return np.clip((np.asarray(values, float) - self.low) / (self.high - self.low), 0.0, 1.0)

    def ticks(self) -> list[float]:
        """About five round values."""
        margin = 1e-9 * (self.high - self.low)
        values = _LOCATOR.tick_values(self.low, self.high).tolist()
        return [value for value in values if self.low - margin <= value <= self.high + margin]


def axis_for(label: str, values: np.ndarray, start_at_zero: bool = False) -> Axis:
    """Returns an axis that contains all finite values and starts and ends at round numbers.

    Args:
      label: name of the quantity and its unit.
      values: values to show, of any shape.
      start_at_zero: whether the axis contains 0, for values that are not negative.
    """
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    low = min(low, 0.0) if start_at_zero else low
    high = max(high, low + 1e-3 * max(abs(high), 1e-6))  # equal values need an axis of some length
    first, *_, last = _LOCATOR.tick_values(low, high).tolist()
    return Axis(label, first, last)


class Chart:
    """A chart to which lines, bands, dots and bars are added.

    Coordinates are arrays [n] in the units of the axes. A series is an index into the colours of the style sheet.

    Args:
      x: horizontal axis.
      y: vertical axis.
      title: description of the chart, for screen readers.
    """

    def __init__(self, x: Axis, y: Axis, title: str):
        self._x, self._y, self._title = x, y, title
        self._marks: list[str] = []

    def line(self, x: np.ndarray, y: np.ndarray, series: int, name: str) -> None:
        """Adds a line through points; its name is shown on hovering."""
        self._marks.append(
            f'<polyline class="line s{series}" points="{self._points(x, y)}"><title>{html.escape(name)}</title>'
            "</polyline>"
        )

    def band(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, series: int) -> None:
        """Adds the area between two lines."""
        outline = f"{self._points(x, low)} {self._points(x[::-1], high[::-1])}"
        self._marks.append(f'<polygon class="band f{series}" points="{outline}"/>')

    def dots(
        self, x: np.ndarray, y: np.ndarray, series: int, radius: float = 3.0, titles: Sequence[str] = ()
    ) -> None:
        """Adds a dot at every point; the titles are shown on hovering."""
        places = self._places(x, y)
        texts = [f"<title>{html.escape(title)}</title>" for title in titles] or [""] * len(places)
        self._marks += [
            f'<circle class="dot f{series}" cx="{left:.1f}" cy="{top:.1f}" r="{radius:g}">{text}</circle>'
            for (left, top), text in zip(places, texts, strict=True)
        ]

    def bars(self, x: np.ndarray, y: np.ndarray, width: float, series: int) -> None:
        """Adds bars that start at the lower edge of the chart; `width` is in the units of x."""
        for (left, top), (right, _) in zip(
            self._places(x - width / 2, y), self._places(x + width / 2, y), strict=True
        ):
            height = HEIGHT - _BOTTOM - top
            corner = f'x="{left:.1f}" y="{top:.1f}"'
            self._marks.append(
                f'<rect class="f{series}" {corner} width="{right - left:.1f}" height="{height:.1f}"/>'
            )

    def svg(self) -> str:
        """Returns the chart as an <svg> element."""
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(self._title)}">'
            f"{self._grid()}{''.join(self._marks)}</svg>"
        )

    def _places(self, x: np.ndarray, y: np.ndarray) -> list[list[float]]:
        left = _LEFT + self._x.share(x) * (WIDTH - _LEFT - _RIGHT)
        top = _TOP + (1 - self._y.share(y)) * (HEIGHT - _TOP - _BOTTOM)
        return np.stack([left, top], axis=-1).tolist()

    def _points(self, x: np.ndarray, y: np.ndarray) -> str:
        return " ".join(f"{left:.1f},{top:.1f}" for left, top in self._places(x, y))

    def _grid(self) -> str:
        parts = []
        for value in self._x.ticks():
            ((left, _),) = self._places(np.array([value]), np.array([self._y.low]))
            parts.append(
                f'<line class="grid" x1="{left:.1f}" x2="{left:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
                f'<text class="tick" x="{left:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{value:g}</text>'
            )
        for value in self._y.ticks():
            ((_, top),) = self._places(np.array([self._x.low]), np.array([value]))
            parts.append(
                f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{top:.1f}" y2="{top:.1f}"/>'
                f'<text class="tick" x="{_LEFT - 6}" y="{top + 4:.1f}" text-anchor="end">{value:g}</text>'
            )
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        x_label, y_label = html.escape(self._x.label), html.escape(self._y.label)
        across = (_TOP + HEIGHT - _BOTTOM) / 2
        parts.append(
            f'<text class="label" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{x_label}</text>'
            f'<text class="label" transform="translate(14 {across}) rotate(-90)" text-anchor="middle">{y_label}</text>'
        )
        return "".join(parts)


def legend(names: Sequence[str]) -> str:
    """Returns the colours and names of the series, as a <ul> element."""
    entries = "".join(f'<li><i class="f{i}"></i>{html.escape(name)}</li>' for i, name in enumerate(names))
    return f'<ul class="legend">{entries}</ul>'
