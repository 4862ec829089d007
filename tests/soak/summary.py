"""The summary of a soak test, in a dozen lines."""

from __future__ import annotations

import statistics
import typing as t

from tests.pipeline.processes import peak_kilobytes
from tests.soak import audit
from tests.soak.soak import CALLS_AT_ONCE, CALLS_PER_20_SECONDS

if t.TYPE_CHECKING:
    from tests.pipeline.sandbox_process import SandboxProcess
    from tests.soak.soak import Soak
    from tests.soak.watch import Watch

DAY_SECONDS = 86_400
INSTANCE_CALLS_PER_20_SECONDS = 100
INSTANCE_CALLS_AT_ONCE = 10
# The other API user makes one call at a time.
WORLD_CALLS_AT_ONCE = 1
FLAT = 1.15
FEWEST_TO_COMPARE = 6


def summary(soak: Soak, seconds: float) -> list[str]:
    """Return the lines of the summary, and add wrong outcomes to the test's findings."""
    return [
        _runs(soak, seconds),
        _events(soak),
        _changes(soak),
        *(_calls(watch, soak.tally.findings) for watch in soak.watches.values()),
        *(_limits(watch, plugin, soak.tally.findings) for plugin, watch in soak.watches.items()),
        _records(soak),
        *(_memory(soak, plugin) for plugin in soak.watches),
        _instances_memory(soak.source, soak.destination),
        _output(soak),
    ]


def _runs(soak: Soak, seconds: float) -> str:
    tally = soak.tally
    days = tally.simulated_seconds / DAY_SECONDS
    if not tally.finished:
        tally.findings.append("no run succeeded")
    return (
        f"runs         {tally.runs} in {seconds:.0f} s, {days:.1f} days by the instances' clocks; "
        f"{tally.finished} succeeded, {tally.runs - tally.finished} were interrupted"
    )


def _events(soak: Soak) -> str:
    events = soak.tally.events
    return (
        f"events       {events['kill']} processes killed or terminated, {events['restart']} "
        f"instances restarted, {events['expire_tokens']} tokens and "
        f"{events['expire_page_tokens']} page tokens expired"
    )


def _changes(soak: Soak) -> str:
    done = soak.world.done
    return (
        f"changes      {done['changed']} changed and {done['new']} new opportunities, "
        f"{done['first_role']} with their first role, {done['new_lead']} new leads"
    )


def _calls(watch: Watch, findings: list[str]) -> str:
    faults, calls = watch.faults(), watch.calls()
    findings += [f"{watch.instance.name}: {problem}" for problem in watch.problems]
    listed = ", ".join(f"{name} {count}" for name, count in faults.most_common())
    share = 100 * faults.total() / max(calls, 1)
    return (
        f"{watch.instance.name:<12} {calls} calls, {faults.total()} with an injected fault "
        f"({share:.0f}%: {listed})"
    )


def _limits(watch: Watch, plugin: str, findings: list[str]) -> str:
    in_window, at_once = watch.peaks(f"soak-{plugin}-")
    findings += watch.exceeded()
    if in_window > CALLS_PER_20_SECONDS:
        findings.append(f"a {plugin} made {in_window} calls in 20 s")
    if at_once > CALLS_AT_ONCE + WORLD_CALLS_AT_ONCE:
        findings.append(f"a call of the {plugin} was one of {at_once} concurrent calls")
    if watch.most_in_window > INSTANCE_CALLS_PER_20_SECONDS:
        findings.append(f"{watch.instance.name} counted {watch.most_in_window} calls in 20 s")
    return (
        f"limits       {plugin}: at most {in_window} of {CALLS_PER_20_SECONDS} calls in any 20 s; "
        f"its instance: {watch.most_in_window} of {INSTANCE_CALLS_PER_20_SECONDS}, and "
        f"{watch.most_in_flight} of {INSTANCE_CALLS_AT_ONCE} concurrent calls"
    )


def _records(soak: Soak) -> str:
    due, equal, rejected, lost = soak.account()
    soak.tally.findings += lost[: audit.SHOWN_AT_MOST]
    return (
        f"records      {due} to copy: {equal} equal in both instances, {rejected} in the "
        f"rejects file, {due - equal - rejected} lost"
    )


def _memory(soak: Soak, plugin: str) -> str:
    peaks = soak.tally.peaks[plugin]
    if len(peaks) < FEWEST_TO_COMPARE:
        listed = ", ".join(f"{peak / 1000:.1f}" for peak in peaks) or "none"
        return f"memory       {plugin}: peaks of daily runs in MB: {listed}"
    third = len(peaks) // 3
    first, last = statistics.median(peaks[:third]), statistics.median(peaks[-third:])
    if last > FLAT * first:
        soak.tally.findings.append(f"the {plugin}'s memory grew from {first} to {last} kB")
    return (
        f"memory       {plugin}: median peak {first / 1000:.1f} MB in the first third of "
        f"{len(peaks)} daily runs, {last / 1000:.1f} MB in the last third"
    )


def _instances_memory(*instances: SandboxProcess) -> str:
    peaks = [f"{each.name} {peak_kilobytes(each.pid) / 1000:.1f} MB" for each in instances]
    return f"memory       instances: {', '.join(peaks)}"


def _output(soak: Soak) -> str:
    lines, found = audit.leaks(soak.directory, (soak.source, soak.destination))
    printed = {path.name: path.read_text() for path in soak.directory.glob("*-opps.stderr")}
    soak.tally.findings += found[: audit.SHOWN_AT_MOST]
    soak.tally.findings += audit.tracebacks(printed.items())
    return f"output       {lines} lines, {len(found)} with a secret or a customer's data"
