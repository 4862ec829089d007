"""Claims that a benchmark run checks: each measured figure with its greatest allowed value."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

import cpu
import memory
from walls import OURS, OURS_FULL_RATE

if t.TYPE_CHECKING:
    from collections.abc import Iterator

Results = dict[str, t.Any]

_WALL_OF_BOUND = 1.10
# Of a shorter run, start-up and the calls of the last window are too large a part.
_BOUND_TO_COMPARE_SECONDS = 60
# With start-up, and with so many windows that it hardly counts.
_LONG_WALL_OF_BOUND = 1.05
_TAP_OF_PLAIN = 0.5
_TARGET_OF_PLAIN = 1 / 3
_PAIR_OF_PLAIN = 0.17
_PAIR_OF_BEFORE = 1.05
# Ten times the rate that Marketo allows: 100 calls of 300 records in 20 s.
_RECORDS_A_CPU_SECOND = 15_000
_GROWTH = 1.2
_MILLION = 1_000_000
_UNUSED_RATE = 0.05
_CPU_OF_SHARING = 1.03
# A process has its turn every window; nobody waits for two.
_LONGEST_GAP_SECONDS = 40


@dataclass(frozen=True)
class Claim:
    """Claim that a measured figure is not greater than a limit."""

    what: str
    figure: float
    limit: float

    @property
    def holds(self) -> bool:
        """Return whether the figure is within the limit."""
        return self.figure <= self.limit

    @property
    def line(self) -> str:
        """Return the claim, the figure and the limit as one line of text."""
        return f"{self.what}: {self.figure:.4g} (at most {self.limit:.4g})"


def claims(results: Results) -> list[Claim]:
    """Return all claims, each with the figure that the results give for it."""
    return [
        *_walls(results),
        *_long_runs(results),
        *_cpu(results),
        *_memory(results),
        *_calls(results),
        *_reconcile(results),
        *_waiting(results),
        *_lookups(results),
        *_sharing(results),
    ]


def _walls(results: Results) -> Iterator[Claim]:
    for lane in results["walls"]:
        name = f"{lane['tool']}, {lane['does']}, {lane['latency_seconds']} s a call"
        if lane["tool"] in {OURS, OURS_FULL_RATE}:
            yield Claim(f"{name}: refused with 606", lane["refused_606"], 0)
            yield Claim(f"{name}: refused with 615", lane["refused_615"], 0)
        if lane["tool"] == OURS and lane["wall_of_bound"]:
            ratio = lane["wall_of_bound"]["median"]
            yield Claim(f"{name}: wall to bound", ratio, _WALL_OF_BOUND)


def _long_runs(results: Results) -> Iterator[Claim]:
    for lane in results["long_runs"]:
        name = f"{lane['does']} {lane['records']} records at the full rate limit"
        yield Claim(f"{name}: refused with 606", lane["refused_606"], 0)
        ratio = lane["wall_of_bound"]["median"]
        yield Claim(f"{name}: wall with start-up to bound", ratio, _LONG_WALL_OF_BOUND)


def _cpu(results: Results) -> Iterator[Claim]:
    seconds = {
        name: figures["median"] for name, figures in results["cpu"]["seconds_per_million"].items()
    }
    ratios = {name: figures["median"] for name, figures in results["cpu"]["ratios"].items()}
    for ours, plain, limit in (
        (cpu.TAP, cpu.PLAIN_TAP, _TAP_OF_PLAIN),
        (cpu.TARGET, cpu.PLAIN_TARGET, _TARGET_OF_PLAIN),
        (cpu.PAIR, cpu.PLAIN_PAIR, _PAIR_OF_PLAIN),
    ):
        yield Claim(f"CPU of {ours} to {plain}", ratios[f"{ours} / {plain}"], limit)
    peer = seconds[cpu.PEER_READ] + seconds[cpu.PEER_WRITE]
    name = f"CPU of {cpu.PAIR} to marketorestpython, reading and writing"
    yield Claim(name, seconds[cpu.PAIR] / peer, 1.0)
    # Only measured where a checkout of an earlier version was named.
    if (before := ratios.get(f"{cpu.PAIR} / {cpu.BEFORE}")) is not None:
        yield Claim(f"CPU of {cpu.PAIR} to that of the version before", before, _PAIR_OF_BEFORE)
    for ours in (cpu.TAP, cpu.TARGET):
        name = f"CPU seconds per million, {ours}"
        yield Claim(name, seconds[ours], _MILLION / _RECORDS_A_CPU_SECOND)


def _memory(results: Results) -> Iterator[Claim]:
    small, large = results["memory"]["sizes"]
    for name in (memory.TAP, memory.TARGET):
        growth = results["memory"][name]["ratio"]["median"]
        yield Claim(f"peak memory of {name}, {large} records to {small}", growth, _GROWTH)


def _calls(results: Results) -> Iterator[Claim]:
    figures = results["calls"]
    for what in ("known_ids", "upserts"):
        for entry in figures[what]:
            name = f"calls for {entry['records']} {what.replace('_', ' ')}"
            yield Claim(name, entry["calls"], entry["allowed"])
    for entry in figures["roles_by_address"]:
        name = f"calls for {entry['records']} roles of {entry['leads']} leads by address"
        yield Claim(name, entry["calls"], entry["allowed"])
    for entry in figures["lead_list"]:
        name = f"calls for {entry['records']} opportunities of a list of {entry['leads']} leads"
        yield Claim(name, entry["calls"], entry["allowed"])
    for entry in figures["long_texts"]:
        yield Claim("calls for records of 30 KB", entry["calls"], entry["optimum"] + 1)


def _lookups(results: Results) -> Iterator[Claim]:
    for figures in results.get("lookups", []):
        roles, leads = figures["records"], figures["leads"]
        name = f"{roles} roles of {leads} leads, {figures['shared']:.0%} doubled"
        most = figures["fewest_lookups"] * (2 if figures["shared"] else 1)
        yield Claim(f"lookups for {name}", figures["lookups"], most)
        yield Claim(f"writes for {name}", figures["writes"], figures["fewest_writes"])
        yield Claim(f"{name}: refused with 606", figures["refused_606"], 0)
        if figures["bound_seconds"] >= _BOUND_TO_COMPARE_SECONDS:
            ratio = figures["wall_seconds"] / figures["bound_seconds"]
            yield Claim(f"{name}: wall to bound", ratio, _WALL_OF_BOUND)


def _sharing(results: Results) -> Iterator[Claim]:
    if not (figures := results.get("sharing")):
        return
    together = figures["together"]
    name = f"{together['processes']} processes with one limits_path"
    yield Claim(f"{name}: refused with 606", together["refused_606"], 0)
    yield Claim(f"{name}: refused with 615", together["refused_615"], 0)
    if together["windows"]:
        yield Claim(f"{name}: rate unused", 1 - together["rate_used"], _UNUSED_RATE)
        gap = together["longest_gap_seconds"]
        yield Claim(f"{name}: longest gap in a process's calls", gap, _LONGEST_GAP_SECONDS)
    for kind, ratio in figures["cpu"].items():
        yield Claim(
            f"CPU of a {kind} with limits_path to one without", ratio["median"], _CPU_OF_SHARING
        )


def _reconcile(results: Results) -> Iterator[Claim]:
    figures = results.get("reconcile", [])
    for entry in figures:
        name = f"a reconcile of {entry['records']} rows, pages {entry['dialect']}"
        yield Claim(f"calls for {name}", entry["calls"], entry["allowed"])
        missed = abs(entry["planted"] - entry["changed"] - entry["gone"])
        yield Claim(f"differences missed, or too many, by {name}", missed, 0)
    if figures:
        growth = figures[-1]["peak_mib"] / figures[0]["peak_mib"]
        sizes = f"{figures[-1]['records']} rows to {figures[0]['records']}"
        yield Claim(f"peak memory of a reconcile, {sizes}", growth, _GROWTH)


def _waiting(results: Results) -> Iterator[Claim]:
    for case in results["waiting"]:
        yield Claim(f"sync calls for {case['what']}", case["calls"], case["allowed"])
        lost = case["good"] - case["delivered"]
        yield Claim(f"good records that are not delivered of {case['what']}", lost, 0)
