"""The tables of docs/benchmarks.md and the headline figures of the README, from results.json."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from cpu import PAIR, PLAIN_PAIR, PLAIN_TAP, PLAIN_TARGET, TAP, TARGET
from walls import OURS_FULL_RATE, PEER, READ, WRITE

RESULTS = Path(__file__).with_name("results.json")

# Seconds per call in the README's headline: one of the latencies that bench.py measures.
_USUAL_LATENCY = 0.4

Results = dict[str, t.Any]


def benchmark_table() -> str:
    """Return all figures in results.json as Markdown tables, or a note if it does not exist."""
    if not RESULTS.exists():
        return "`make bench` has not been run yet."
    return tables(json.loads(RESULTS.read_bytes()))


def headline_table() -> str:
    """Return the Markdown table of headline figures that the README shows."""
    return headlines(json.loads(RESULTS.read_bytes()))


def headlines(results: Results) -> str:
    """Return a Markdown table of wall and CPU time, compared with those of other programs."""
    per_million = results["cpu"]["seconds_per_million"]
    cpu = [f"{_number(per_million[name]['median'])} s" for name in (PAIR, PLAIN_PAIR)]
    rows = [
        *(_wall_headline(results, does) for does in (READ, WRITE)),
        ["CPU time per million records, tap into target", cpu[0], f"{cpu[1]} (plain SDK plugins)"],
    ]
    return _table(["", "marketo-opps", "compared with"], rows)


def _wall_headline(results: Results, does: str) -> list[str]:
    lanes = {
        lane["tool"]: lane
        for lane in results["walls"]
        if lane["does"] == does and lane["latency_seconds"] == _USUAL_LATENCY
    }
    ours, peer = (lanes[tool]["wall_seconds"]["median"] for tool in (OURS_FULL_RATE, PEER))
    bound = lanes[OURS_FULL_RATE]["wall_of_bound"]["median"]
    return [
        f"{does} {lanes[PEER]['records']:,} records, {_USUAL_LATENCY:g} s per call",
        f"{_number(ours)} s ({bound:.2f} times the theoretical minimum)",
        f"{_number(peer)} s ({PEER})",
    ]


def tables(results: Results) -> str:
    """Return all figures of a benchmark run as Markdown: a heading text and tables."""
    machine = results["machine"]
    command = "make bench-full" if results["size"] == "full" else "make bench"
    head = (
        f"`{command}`, Python {machine['python']}, {machine['system']}, {machine['cpus']} CPUs, "
        f"{machine['date']}; medians of {results['repeats']} runs, minimum and maximum in "
        "brackets. marketo-opps uses half of the rate limit by default (`calls_per_20_seconds` 50, "
        "with 5 calls at once); *full rate limit* is 100. The sandbox's own time is not counted."
    )
    if any(lane["ended_by"] for lane in results["walls"]):
        head += (
            " *Ended by* names the error codes that ended a tool before it had moved everything."
        )
    parts = (
        *(_walls, _long_runs, _cpu, _memory, _calls, _bad_records, _reconcile, _waiting),
        *(_lookups, _sharing),
    )
    figures = (part(results) for part in parts)
    return "\n\n".join([head, *filter(None, figures)])


def _table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _spread(figures: dict[str, t.Any], unit: str = "") -> str:
    median, least, greatest = (_number(figures[name]) for name in ("median", "min", "max"))
    return f"{median}{unit} ({least}-{greatest})"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _walls(results: Results) -> str:
    """Return the Markdown table of wall times: a row for each tool and direction."""
    lanes = results["walls"]
    latencies = sorted({lane["latency_seconds"] for lane in lanes})
    rows: dict[tuple[str, str], dict[float, dict[str, t.Any]]] = {}
    for lane in lanes:
        rows.setdefault((lane["does"], lane["tool"]), {})[lane["latency_seconds"]] = lane
    head = ["Wall time with the instance's limits; x theoretical minimum"]
    head += [_latency_head(lanes, latency) for latency in latencies]
    return _table(
        [*head, "calls", "peak memory"],
        (
            [f"{does}: {tool}", *(_wall(row[latency]) for latency in latencies), *_costs(row)]
            for (does, tool), row in sorted(rows.items(), key=lambda item: item[0][0])
        ),
    )


def _costs(row: dict[float, dict[str, t.Any]]) -> list[str]:
    calls = dict.fromkeys(str(row[latency]["calls"]) for latency in sorted(row))
    peak = max(lane["peak_mib"]["median"] for lane in row.values())
    return [" / ".join(calls), f"{peak:.0f} MiB"]


def _latency_head(lanes: list[dict[str, t.Any]], latency: float) -> str:
    count = next(lane["records"] for lane in lanes if lane["latency_seconds"] == latency)
    return f"{latency:g} s per call, {count:,} records"


def _wall(lane: dict[str, t.Any]) -> str:
    if lane["ended_by"]:
        return f"ended by {' and '.join(lane['ended_by'])}"
    text = _spread(lane["wall_seconds"], " s")
    if lane["wall_of_bound"]:
        text += f", {lane['wall_of_bound']['median']:.2f} x"
    if lane["refused_606"]:
        text += f", {lane['refused_606']} times 606"
    return text


def _long_runs(results: Results) -> str:
    head = ["full rate limit over many windows, from start to end"]
    head += ["wall time", "x theoretical minimum", "20 s windows", "calls", "606"]
    rows = [
        [
            f"{lane['does']} {lane['records']:,} records, {lane['latency_seconds']:g} s per call",
            _spread(lane["wall_seconds"], " s"),
            _spread(lane["wall_of_bound"]),
            *(f"{lane[name]:,}" for name in ("windows", "calls", "refused_606")),
        ]
        for lane in results["long_runs"]
    ]
    return _table(head, rows)


def _cpu(results: Results) -> str:
    ratios = results["cpu"]["ratios"]
    plain = {PLAIN_TAP: TAP, PLAIN_TARGET: TARGET, PLAIN_PAIR: PAIR}
    beside = {ours: ratios[f"{ours} / {other}"] for other, ours in plain.items()}
    head = ["CPU time", "s per million records", "records per CPU s", "ratio to plain SDK"]
    rows = [
        [
            name,
            _spread(figures),
            f"{1_000_000 / figures['median']:,.0f}",
            _spread(beside[name]) if name in beside else "",
        ]
        for name, figures in results["cpu"]["seconds_per_million"].items()
    ]
    return _table(head, rows)


def _memory(results: Results) -> str:
    figures = results["memory"]
    head = ["peak memory", *(f"{count:,} records" for count in figures["sizes"]), "ratio"]
    rows = [
        [name, *(_spread(peak, " MiB") for peak in peaks["peak_mib"]), _spread(peaks["ratio"])]
        for name, peaks in ((name, figures[name]) for name in ("tap", "target"))
    ]
    return _table(head, rows)


def _calls(results: Results) -> str:
    figures = results["calls"]
    rows = [
        [f"{entry['records']:,} {what}", str(entry["calls"])]
        for key, what in (("known_ids", "known ids"), ("upserts", "upserts"))
        for entry in figures[key]
    ]
    rows += [
        [
            f"{entry['records']:,} opportunities of a list of {entry['leads']:,} leads",
            str(entry["calls"]),
        ]
        for entry in figures["lead_list"]
    ]
    rows += [
        [f"{entry['records']} upserts of {entry['bytes'] / 1e6:.1f} MB", str(entry["calls"])]
        for entry in figures["long_texts"]
    ]
    return _table(["run (authentication not counted)", "API calls"], rows)


def _bad_records(results: Results) -> str:
    head = ["bad records among 300 in one call", "sync calls", "delivered", "rejected"]
    rows = [
        [_bad(entry), *(str(entry[name]) for name in ("calls", "delivered", "rejected"))]
        for entry in results["calls"]["bad_records"]
    ]
    return _table(head, rows)


def _bad(entry: dict[str, t.Any]) -> str:
    persons = entry.get("sales_persons", 0)
    named = f", {persons} sales persons" if persons > 1 else ", one sales person" * persons
    return f"{entry['bad']} ({entry['code']}{named})"


def _waiting(results: Results) -> str:
    names = ("calls", "delivered", "rejected")
    rows = [
        [case["what"], *(f"{case[name]:,}" for name in names), case["before"]]
        for case in results["waiting"]
    ]
    return _table(["waiting records", "sync calls", *names[1:], "an earlier version"], rows)


def _reconcile(results: Results) -> str:
    if not (figures := results.get("reconcile")):
        return ""
    head = ["reconcile", "differences", "found changed", "found deleted", "calls", "peak memory"]
    rows = [
        [
            f"{entry['records']:,} rows, pages {entry['dialect']}",
            *(f"{entry[name]:,}" for name in ("planted", "changed", "gone", "calls")),
            f"{entry['peak_mib']:.0f} MiB",
        ]
        for entry in figures
    ]
    return _table(head, rows)


def _lookups(results: Results) -> str:
    head = ["roles whose lead is looked up by e-mail address", "lookups (minimum)"]
    head += ["writes (minimum)", "wall time at the full rate limit", "x theoretical minimum", "606"]
    rows = [
        [
            _lookups_of(entry),
            f"{entry['lookups']} ({entry['fewest_lookups']})",
            f"{entry['writes']} ({entry['fewest_writes']})",
            f"{_number(entry['wall_seconds'])} s",
            _of_bound(entry),
            str(entry["refused_606"]),
        ]
        for entry in results["lookups"]
    ]
    return _table(head, rows)


def _lookups_of(entry: dict[str, t.Any]) -> str:
    shared = f", {entry['shared']:.0%} of the addresses shared by two" * bool(entry["shared"])
    return f"{entry['records']:,} roles of {entry['leads']:,} leads{shared}"


def _of_bound(entry: dict[str, t.Any]) -> str:
    bound = entry["bound_seconds"]
    return f"{entry['wall_seconds'] / bound:.2f}" if bound else ""


def _sharing(results: Results) -> str:
    if not (figures := results.get("sharing")):
        return ""
    together = figures["together"]
    head = [
        "processes at once with one `limits_path`",
        "full 20 s windows",
        "calls",
        "rate limit used",
        "smallest share of a process",
        "longest gap in a process's calls",
        "606 and 615",
        "CPU time of a tap, with to without",
        "of a target",
    ]
    row = [
        f"{together['processes']}, half taps, half targets",
        str(together["windows"]),
        f"{together['calls']:,}",
        _percent(together["rate_used"]),
        _percent(together["smallest_share"]),
        f"{together['longest_gap_seconds']:g} s",
        str(together["refused_606"] + together["refused_615"]),
        *(_spread(figures["cpu"][kind]) for kind in ("tap", "target")),
    ]
    return _table(head, [row])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
