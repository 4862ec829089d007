"""Draws a plot of the wall and CPU times that is readable on light and dark pages."""

from __future__ import annotations

import typing as t

import cpu
import matplotlib as mpl
from walls import OURS, OURS_FULL_RATE, PEER, PEER_WITHOUT_SLEEP

if t.TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

mpl.use("Agg")

from matplotlib import pyplot as plt

Results = dict[str, t.Any]

# Readable on black and on white, because the background of the plot is transparent.
_INK = "#808a94"
_COLOURS = {
    OURS: "#2f81f7",
    OURS_FULL_RATE: "#79b8ff",
    PEER: "#d9762b",
    PEER_WITHOUT_SLEEP: "#f0b48a",
}
_OTHERS = "#a0a7ae"
_BOUND = "#d1242f"
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
_BAR = 0.2
# A tool that Marketo's refusals ended has no bar.
_NONE = dict.fromkeys(("median", "min", "max"), 0.0)


def draw(results: Results, path: Path) -> None:
    """Draw the plot of the results, and save it as an image, such as PNG for `.png`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figure, panels = plt.subplots(
            1, 3, figsize=(11, 4), layout="constrained", width_ratios=(3, 3, 2)
        )
        _walls(results, panels[0], "read")
        _walls(results, panels[1], "write")
        _cpu(results, panels[2])
        drawn, labels = panels[0].get_legend_handles_labels()
        figure.legend(drawn, labels, loc="outside lower left", ncols=5, frameon=False, fontsize=8)
        figure.savefig(path, dpi=110, transparent=True)
        plt.close(figure)


def _walls(results: Results, axes: Axes, does: str) -> None:
    lanes = [lane for lane in results["walls"] if lane["does"] == does]
    latencies = sorted({lane["latency_seconds"] for lane in lanes})
    for number, (tool, colour) in enumerate(_COLOURS.items()):
        of_tool = {lane["latency_seconds"]: lane for lane in lanes if lane["tool"] == tool}
        places = [place + (number - 1.5) * _BAR for place in range(len(latencies))]
        walls = [of_tool[latency]["wall_seconds"] or _NONE for latency in latencies]
        medians = [wall["median"] for wall in walls]
        errors = _errors(walls)
        axes.bar(places, medians, _BAR, yerr=errors, ecolor=_INK, color=colour, label=tool)
        if tool in {OURS, OURS_FULL_RATE}:
            bounds = [of_tool[latency]["bound_seconds"] for latency in latencies]
            label = "theoretical minimum within its limits" if tool == OURS else ""
            _mark(axes, places, bounds, label)
    axes.set_xticks(range(len(latencies)), [f"{latency:g} s" for latency in latencies])
    axes.set_xlabel("latency per call")
    axes.set_ylabel("seconds, with the real limits")
    axes.set_title(does)


def _mark(axes: Axes, places: list[float], bounds: list[float], label: str) -> None:
    begins = [place - 0.65 * _BAR for place in places]
    ends = [place + 0.65 * _BAR for place in places]
    axes.hlines(bounds, begins, ends, colors=_BOUND, linewidth=2.5, label=label)


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
    axes.set_xlabel("CPU s per million records")
    axes.set_title("CPU time")


def _errors(figures: list[dict[str, t.Any]]) -> list[list[float]]:
    return [
        [each["median"] - each["min"] for each in figures],
        [each["max"] - each["median"] for each in figures],
    ]
