"""The plot: wall beside its bound, CPU beside the SDK's own; readable on light and dark pages."""

from __future__ import annotations

import typing as t

import cpu
import matplotlib as mpl
from walls import OURS, PEER, PEER_WITHOUT_SLEEP

if t.TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

mpl.use("Agg")

from matplotlib import pyplot as plt

Results = dict[str, t.Any]

# Grey enough for black and for white behind it; the background itself is left transparent.
_INK = "#808a94"
_COLOURS = {OURS: "#2f81f7", PEER: "#e0823d", PEER_WITHOUT_SLEEP: "#f0b48a"}
_OTHERS = "#a0a7ae"
_STYLE: dict[t.Any, t.Any] = {
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}
_BAR = 0.26


def draw(results: Results, path: Path) -> None:
    """Write the plot as an image of the kind that the path's suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.6))
        _walls(results, left, "read")
        _walls(results, middle, "write")
        _cpu(results, right)
        figure.tight_layout()
        figure.savefig(path, dpi=110, transparent=True)
        plt.close(figure)


def _walls(results: Results, axes: Axes, does: str) -> None:
    lanes = [lane for lane in results["walls"] if lane["does"] == does]
    latencies = sorted({lane["latency_seconds"] for lane in lanes})
    for offset, (tool, colour) in enumerate(_COLOURS.items()):
        of_tool = {lane["latency_seconds"]: lane for lane in lanes if lane["tool"] == tool}
        walls = [of_tool[latency]["wall_seconds"] for latency in latencies]
        axes.bar(
            [place + (offset - 1) * _BAR for place in range(len(latencies))],
            [wall["median"] for wall in walls],
            _BAR,
            yerr=_errors(walls),
            ecolor=_INK,
            color=colour,
            label=tool,
        )
        if tool == OURS:
            _mark_bounds(axes, [of_tool[latency]["bound_seconds"] for latency in latencies])
    axes.set_xticks(range(len(latencies)), [f"{latency:g} s" for latency in latencies])
    axes.set_xlabel("of latency a call")
    axes.set_ylabel("seconds")
    axes.set_title(f"{does}: wall under the real limits")
    axes.legend(frameon=False, fontsize=7)


def _mark_bounds(axes: Axes, bounds: list[float]) -> None:
    for place, bound in enumerate(bounds):
        label = "the least possible for it" if place == 0 else ""
        ends = place - 1.5 * _BAR, place - 0.5 * _BAR
        axes.hlines(bound, *ends, colors=_INK, linewidth=2, label=label)


def _cpu(results: Results, axes: Axes) -> None:
    seconds = results["cpu"]["seconds_per_million"]
    names = list(reversed(seconds))
    ours = {cpu.TAP, cpu.TARGET, cpu.PAIR}
    axes.barh(
        names,
        [seconds[name]["median"] for name in names],
        xerr=_errors([seconds[name] for name in names]),
        ecolor=_INK,
        color=[_COLOURS[OURS] if name in ours else _OTHERS for name in names],
    )
    axes.set_xlabel("CPU seconds per million records")
    axes.set_title("the work itself, waiting aside")


def _errors(told: list[dict[str, t.Any]]) -> list[list[float]]:
    return [
        [each["median"] - each["min"] for each in told],
        [each["max"] - each["median"] for each in told],
    ]
