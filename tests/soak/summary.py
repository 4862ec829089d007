"""The summary of a soak test, in twenty lines."""

from __future__ import annotations

import statistics
import typing as t

from tests.pipeline.processes import peak_kilobytes
from tests.soak import audit
from tests.soak.plan import RECONCILE
from tests.soak.soak import CALLS_AT_ONCE, CALLS_PER_20_SECONDS

if t.TYPE_CHECKING:
    from collections import Counter

    from tests.pipeline.sandbox_process import SandboxProcess
    from tests.soak.soak import Soak
    from tests.soak.watch import Watch

DAY_SECONDS = 86_400
INSTANCE_CALLS_PER_20_SECONDS = 100
INSTANCE_CALLS_AT_ONCE = 10
FLAT = 1.15
FEWEST_TO_COMPARE = 6


def summary(soak: Soak, seconds: float) -> list[str]:
    """Return the lines of the summary, and add wrong outcomes to the test's findings."""
    watches = soak.instances.watches
    return [
        _runs(soak, seconds),
        _events(soak),
        *_changes(soak.world.done),
        _reconciles(soak),
        *(_calls(watch, soak.tally.findings) for watch in watches.values()),
        *(_limits(watch, soak.tally.findings) for watch in watches.values()),
        _sharing(soak),
        _records(soak),
        _receipts(soak),
        *(_memory(soak, plugin) for plugin in watches),
        _instances_memory(soak.instances.source, soak.instances.destination),
        _output(soak),
    ]


def counts(soak: Soak, seconds: float) -> dict[str, int]:
    """Return the counts of a soak test that README.md shows, by name."""
    due, _, _, lost = soak.account()
    return {
        "runs": soak.tally.runs + soak.tally.companions,
        "kills": soak.tally.events["kill"],
        "faults": sum(watch.faults().total() for watch in soak.instances.watches.values()),
        "records": due + soak.receipts.statuses.total(),
        "lost": len(lost) + soak.receipts.wrong,
        "seconds": round(seconds),
    }


def _runs(soak: Soak, seconds: float) -> str:
    tally = soak.tally
    days = tally.simulated_seconds / DAY_SECONDS
    if not tally.finished:
        tally.findings.append("no run succeeded")
    found_by = ", ".join(f"{number} by {way}" for way, number in tally.found_by.most_common())
    return (
        f"runs         {tally.runs} in {seconds:.0f} s, {days:.1f} days by the instances' clocks; "
        f"{tally.finished} succeeded ({found_by}), {tally.runs - tally.finished} were interrupted"
    )


def _events(soak: Soak) -> str:
    events = soak.tally.events
    return (
        f"events       {events['kill']} processes killed or terminated, {events['restart']} "
        f"instances restarted, {events['expire_tokens']} tokens and "
        f"{events['expire_page_tokens']} page tokens expired"
    )


def _changes(done: Counter[str]) -> list[str]:
    changes = (
        f"{done['changed']} changed and {done['new']} new opportunities, "
        f"{done['first_role']} with their first role, {done['new_lead']} new leads"
    )
    deletions = (
        f"{done['lost']} opportunities, {done['left']} roles, {done['deleted_lead']} leads; "
        f"{done['merged']} leads merged into another"
    )
    return [
        f"changes      {changes}",
        f"deletions    {deletions}",
        f"list         {done['joined_list']} leads added, {done['left_list']} removed",
    ]


def _reconciles(soak: Soak) -> str:
    tally = soak.tally
    return (
        f"reconcile    {tally.found_by[RECONCILE]} finished: {tally.changed} records changed, "
        f"{tally.gone} gone"
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


def _limits(watch: Watch, findings: list[str]) -> str:
    in_window, at_once = watch.peaks()
    name = watch.instance.name
    findings += watch.exceeded()
    if in_window > CALLS_PER_20_SECONDS:
        findings.append(f"our processes together made {in_window} calls in 20 s to the {name}")
    if at_once > CALLS_AT_ONCE:
        findings.append(f"our processes together made {at_once} concurrent calls to the {name}")
    if watch.most_in_window > INSTANCE_CALLS_PER_20_SECONDS:
        findings.append(f"{name} counted {watch.most_in_window} calls in 20 s")
    return (
        f"limits       {name}: at most {in_window} of {CALLS_PER_20_SECONDS} calls in any 20 s, "
        f"{at_once} of {CALLS_AT_ONCE} concurrent; with other users {watch.most_in_window} of "
        f"{INSTANCE_CALLS_PER_20_SECONDS}, {watch.most_in_flight} of {INSTANCE_CALLS_AT_ONCE}"
    )


def _sharing(soak: Soak) -> str:
    tally, watch = soak.tally, soak.instances.watches["tap"]
    return (
        f"sharing      {tally.companions} taps beside the pair with one limits_path, "
        f"{tally.companions_finished} finished; up to {watch.processes_at_once()} processes "
        "at once in the source"
    )


def _records(soak: Soak) -> str:
    due, equal, rejected, lost = soak.account()
    ghosts = soak.ghosts(float("inf"))
    soak.tally.findings += lost[: audit.SHOWN_AT_MOST] + ghosts[: audit.SHOWN_AT_MOST]
    return (
        f"records      {due} opportunities and roles to copy: {equal} equal in both instances, "
        f"{rejected} in the rejects file, {len(lost)} lost; {len(ghosts)} not deleted"
    )


def _receipts(soak: Soak) -> str:
    receipts, destination = soak.receipts, soak.instances.destination
    moved = soak.world.touched_since(0)
    soak.tally.findings += receipts.judge_destination(destination, soak.world.removed, moved)
    listed = ", ".join(f"{count} {status}" for status, count in receipts.statuses.most_common())
    return (
        f"receipts     {receipts.statuses.total()} audited ({listed}), {receipts.wrong} missing "
        "or wrong"
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
    instances = soak.instances
    lines, found = audit.leaks(soak.directory, (instances.source, instances.destination))
    printed = {str(path): path.read_text() for path in soak.directory.rglob("*-opps.stderr")}
    soak.tally.findings += found[: audit.SHOWN_AT_MOST]
    soak.tally.findings += audit.tracebacks(printed.items())
    return f"output       {lines} lines, {len(found)} with a secret or a customer's data"
