"""The subcommand ``demo``: copy opportunities and roles between two sandbox instances.

Tap and target run as two processes connected by a pipe, as a user would run them. The figures that
the demonstration prints come from the two instances and their journals, not from the logs of tap
and target. A lead has different ids in the two instances, so the target finds the lead of a role by
its email address.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketo_sandbox.demo_comparison import KEY, DemoError, compare_instances, email_addresses
from marketo_sandbox.instance.describe import OPPORTUNITY
from marketo_sandbox.options import SandboxOptions
from marketo_sandbox.server.server import SandboxServer

CHANGED = 25
FIRST_LEAD = 50_001
UNMATCHED_EVERY = 20


@dataclass(frozen=True)
class Run:
    """Figures of one run of tap and target, counted from the call journals of both instances.

    Attributes:
        found: number of records that the source returned, by API operation.
        statuses: number of records by status, such as "created", for each API operation on the
            destination.
        source_calls: number of API calls to the source.
        destination_calls: number of API calls to the destination.
        seconds: duration of the run in seconds.
    """

    found: Counter[str]
    statuses: dict[str, Counter[str]]
    source_calls: int
    destination_calls: int
    seconds: float


def run_demo(*, opportunities: int) -> int:
    """Run the demonstration: copy opportunities and roles, change some, and copy the changes.

    Print the figures of both runs.

    Args:
        opportunities: number of opportunities in the source.

    Returns:
        The exit status: 0 if both instances are equal after each run and the second run copied only
        the changed opportunities, else 1.
    """
    seeded = SandboxOptions(opportunities=opportunities, seed=7)
    with (
        SandboxServer(seeded) as source,
        SandboxServer() as destination,
        tempfile.TemporaryDirectory(prefix="marketo-demo-") as folder,
    ):
        try:
            _demonstrate(source, destination, Path(folder))
        except DemoError as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
    return 0


def _demonstrate(source: SandboxServer, destination: SandboxServer, folder: Path) -> None:
    count = source.instance.counts()["opportunities"]
    custom = sum(each.custom for each in OPPORTUNITY.fields)
    print("Two Marketo sandbox instances on this machine:")
    print(
        f"  source       {source.endpoint}: {count:,} opportunities with "
        f"{len(OPPORTUNITY.fields)} fields, {custom} of them custom"
    )
    people = destination.instance.add_lead_records(_people_known_to_both(source))
    print(
        f"  destination  {destination.endpoint}: no opportunities; {len(people):,} of the source's "
        "leads, under other ids"
    )
    pair = _Pair(source, destination, folder)
    print("First run: tap-marketo-opps | target-marketo-opps")
    _report(pair.run(), expect=Counter(created=count))
    compare_instances(source, destination)
    changed = _change_latest(source)
    print(f"Second run, resuming from the saved state; {changed} opportunities have changed since")
    _report(pair.run(), expect=Counter(updated=changed))
    compare_instances(source, destination)
    print(f"All records arrived; the second run moved only the {changed} changed opportunities.")


class _Pair:
    """A tap and a target, connected by a pipe, with their settings and state.

    Args:
        source: the instance that the tap reads.
        destination: the instance that the target writes to.
        folder: directory for the files with settings, state and log.
    """

    def __init__(self, source: SandboxServer, destination: SandboxServer, folder: Path) -> None:
        self._source = source
        self._destination = destination
        self._folder = folder
        ids = folder / "opportunity-ids.txt"
        ids.write_text("\n".join(source.instance.opportunity_ids()), encoding="utf-8")
        tap = {
            **source.credentials,
            "find_by": "filter",
            "filter_values_path": str(ids),
            "lead_fields": ["email"],
        }
        self._tap = [_script("tap-marketo-opps"), "--config", self._write("tap.json", tap)]
        target = {
            **destination.credentials,
            "stream_objects": {"opportunity_roles": "opportunity_roles"},
            "lead_lookup_field": "email",
            "max_rejects": -1,
        }
        into = self._write("target.json", target)
        self._target = [_script("target-marketo-opps"), "--config", into]

    def run(self) -> Run:
        """Run tap and target until both exit, and return the figures of the run.

        The next run starts from the last state that the target emitted.

        Raises:
            DemoError: if the tap or the target fails, or the target emits no state.
        """
        marks = [_last_call(server) for server in (self._source, self._destination)]
        started = time.monotonic()
        states = self._pipe()
        seconds = time.monotonic() - started
        if not states:
            raise DemoError("the target emitted no state")
        self._tap = [*self._tap[:3], "--state", self._write("state.json", json.loads(states[-1]))]
        return _summarize(
            _calls(self._source, marks[0]), _calls(self._destination, marks[1]), seconds
        )

    def _pipe(self) -> list[str]:
        log = self._folder / "log.txt"
        with log.open("w", encoding="utf-8") as errors:
            tap = subprocess.Popen(self._tap, stdout=subprocess.PIPE, stderr=errors)
            with tap:
                target = subprocess.run(
                    self._target,
                    stdin=tap.stdout,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    check=False,
                )
        if tap.returncode or target.returncode:
            raise DemoError(
                f"exit status of the tap {tap.returncode}, of the target {target.returncode}:\n"
                + log.read_text(encoding="utf-8")
            )
        return target.stdout.decode().splitlines()

    def _write(self, name: str, content: object) -> str:
        path = self._folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)


def _script(name: str) -> str:
    """Return the path of a console script in this Python environment, or else on the PATH.

    Raises:
        DemoError: if the console script is not installed.
    """
    here = Path(sysconfig.get_path("scripts")) / name
    found = str(here) if here.exists() else shutil.which(name)
    if found is None:
        raise DemoError(f"command {name} not found: it is not installed")
    return found


def _last_call(server: SandboxServer) -> int:
    return max((call["seq"] for call in server.journal()), default=0)


def _calls(server: SandboxServer, since: int) -> list[dict[str, Any]]:
    return [call for call in server.journal(since=since) if call["operation"] != "identity"]


def _summarize(reads: list[dict[str, Any]], writes: list[dict[str, Any]], seconds: float) -> Run:
    found: Counter[str] = Counter()
    for call in reads:
        found[call["operation"]] += call["answered"]
    statuses: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for call in writes:
        statuses[call["operation"]].update(call["statuses"])
    return Run(found, statuses, len(reads), len(writes), seconds)


def _report(run: Run, *, expect: Counter[str]) -> None:
    opportunities, roles = run.statuses["sync opportunity"], run.statuses["sync role"]
    print(
        f"  read         {run.found['query opportunity']:,} opportunities, "
        f"{run.found['query role']:,} roles"
    )
    print(f"  written      opportunities: {_delivered(opportunities)}")
    print(f"               roles: {_delivered(roles)}")
    print(
        f"  API calls    {run.source_calls} to the source, {run.destination_calls} to the "
        f"destination, in {run.seconds:.1f} s"
    )
    if opportunities != expect:
        raise DemoError(f"expected opportunities {dict(expect)}, got {dict(opportunities)}")


def _delivered(statuses: Counter[str]) -> str:
    shown = [f"{statuses[name]:,} {name}" for name in ("created", "updated")]
    if statuses["skipped"]:
        shown.append(f"{statuses['skipped']:,} skipped by Marketo")
    return ", ".join(shown)


def _people_known_to_both(source: SandboxServer) -> list[dict[str, Any]]:
    """Return the leads to add to the destination: most of the source's leads, under new ids.

    Each email address occurs once. Some addresses of the source are left out, so that the target
    finds no lead for some roles.
    """
    addresses = sorted({each for each in email_addresses(source).values() if each}, reverse=True)
    known = [each for number, each in enumerate(addresses) if number % UNMATCHED_EVERY]
    return [{"id": FIRST_LEAD + number, "email": each} for number, each in enumerate(known)]


def _change_latest(server: SandboxServer) -> int:
    """Change stage and amount of the 25 opportunities with the latest ``updatedAt``.

    The second run of the tap reads the opportunity with the latest ``updatedAt`` again in any
    case, because the bookmark is inclusive. As it is changed too, that run reads changed
    opportunities only.

    Args:
        server: the instance that the tap reads.

    Returns:
        The number of changed opportunities.
    """
    latest = sorted(server.instance.opportunities(), key=lambda record: record["updatedAt"])
    ids = [record[KEY] for record in latest[-CHANGED:]]
    return server.instance.change(ids, {"stage": "Negotiation", "amount": 4711.25})
