"""Charts as inline SVG, their colours left to the page's style, so that they follow light and dark."""

import dataclasses
import html
import math
from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 44


@dataclasses.dataclass(frozen=True)
class Axis:
    """An axis of a chart.

    Attributes:
      label: what it shows, with the unit.
      low: value at its beginning.
      high: value at its end.
    """

    label: str
    low: float
    high: float

    def share(self, values: np.ndarray) -> np.ndarray:
        """Where values lie: 0 at the beginning, 1 at the end, none outside."""
        return np.clip((np.asarray(values, float) - self.low) / (self.high - self.low), 0.0, 1.0)

    def ticks(self) -> list[float]:
        """About five round values."""
        step = round_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def round_step(step: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9))


def axis_for(label: str, values: np.ndarray, start_at_zero: bool = False) -> Axis:
    """An axis that holds all finite values, from a round number to a round number."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    low = min(low, 0.0) if start_at_zero else low
    step = round_step(max(high - low, 1e-3 * max(abs(high), 1e-6)) / 5)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return Axis(label, low, high if high > low else low + step)


class Chart:
    """A chart to which lines, dots and bars are added.

    Args:
      x: horizontal axis.
      y: vertical axis.
      title: read out where the chart cannot be seen.
    """

    def __init__(self, x: Axis, y: Axis, title: str):
        self._x, self._y, self._title = x, y, title
        self._marks: list[str] = []

    def line(self, x: np.ndarray, y: np.ndarray, series: int, name: str) -> None:
        """A line through points in the colour of a series."""
        self._marks.append(
            f'<polyline class="line s{series}" points="{self._points(x, y)}"><title>{html.escape(name)}</title>'
            "</polyline>"
        )

    def band(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, series: int) -> None:
        """The area between two lines."""
        outline = f"{self._points(x, low)} {self._points(x[::-1], high[::-1])}"
        self._marks.append(f'<polygon class="band f{series}" points="{outline}"/>')

    def dots(
        self, x: np.ndarray, y: np.ndarray, series: int, radius: float = 3.0, titles: Sequence[str] = ()
    ) -> None:
        """A dot at every point; `titles` show on hovering."""
        places = self._places(x, y)
        texts = [f"<title>{html.escape(title)}</title>" for title in titles] or [""] * len(places)
        self._marks += [
            f'<circle class="dot f{series}" cx="{left:.1f}" cy="{top:.1f}" r="{radius:g}">{text}</circle>'
            for (left, top), text in zip(places, texts, strict=True)
        ]

    def bars(self, x: np.ndarray, y: np.ndarray, width: float, series: int) -> None:
        """Bars from the bottom; `width` in the units of x."""
        for (left, top), (right, _) in zip(
            self._places(x - width / 2, y), self._places(x + width / 2, y), strict=True
        ):
            height = HEIGHT - _BOTTOM - top
            corner = f'x="{left:.1f}" y="{top:.1f}"'
            self._marks.append(
                f'<rect class="f{series}" {corner} width="{right - left:.1f}" height="{height:.1f}"/>'
            )

    def svg(self) -> str:
        """The chart as an element of a page."""
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
        below, beside = html.escape(self._x.label), html.escape(self._y.label)
        across = (_TOP + HEIGHT - _BOTTOM) / 2
        parts.append(
            f'<text class="label" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{below}</text>'
            f'<text class="label" transform="translate(14 {across}) rotate(-90)" text-anchor="middle">{beside}</text>'
        )
        return "".join(parts)


def legend(names: Sequence[str]) -> str:
    """The series' colours and names, as a list."""
    entries = "".join(f'<li><i class="f{i}"></i>{html.escape(name)}</li>' for i, name in enumerate(names))
    return f'<ul class="legend">{entries}</ul>'
