"""The demonstration: the real tap into the real target, from one instance to another.

Both plugins run as processes of their own, connected by a pipe, as anyone would run them; what is
reported is read from the two instances and their journals, not from the plugins' own output.
The destination knows most of the source's people, by other ids: roles find them by their address.
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
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.describe import OPPORTUNITY
from marketo_sandbox.options import SandboxOptions
from marketo_sandbox.server.server import SandboxServer

if TYPE_CHECKING:
    from marketo_sandbox.instance.describe import Field

KEY = "externalOpportunityId"
CHANGED = 25
FIRST_LEAD = 50_001
STRANGER_EVERY = 20
NUMBERS = frozenset({"currency", "float", "integer", "percent", "score"})


class DemoError(Exception):
    """Raised with a sentence that says what went wrong."""


@dataclass(frozen=True)
class Run:
    """The outcome of one run of the pair, by the journals of both instances."""

    found: Counter[str]
    statuses: dict[str, Counter[str]]
    source_calls: int
    destination_calls: int
    seconds: float


def run_demo(*, opportunities: int) -> int:
    """Move opportunities and their roles twice, and print what happened.

    Args:
        opportunities: number of opportunities in the source.

    Returns:
        The exit status: 0 only if both instances are equal, with no more moved than changed.
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
    print("Two Marketo instances, on this machine:")
    print(
        f"  source       {source.endpoint}, {count:,} opportunities of {len(OPPORTUNITY.fields)} "
        f"fields, {custom} of them custom"
    )
    people = destination.instance.add_lead_records(_people_known_to_both(source))
    print(
        f"  destination  {destination.endpoint}, no opportunities; {len(people):,} of the source's "
        "people, by other ids"
    )
    pair = _Pair(source, destination, folder)
    print("First run: tap-marketo-opps | target-marketo-opps")
    _report(pair.run(), expect=Counter(created=count))
    _compare(source, destination)
    changed = _change_latest(source)
    print(f"Second run, with the state of the first; {changed} opportunities have changed since")
    _report(pair.run(), expect=Counter(updated=changed))
    _compare(source, destination)
    print(f"Everything arrived, and the second run moved just the {changed}.")


class _Pair:
    """Tap and target, connected by a pipe, with their settings and state."""

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
        """Run both to their ends, and keep the last STATE for the next run.

        Raises:
            DemoError: if one of them fails.
        """
        marks = [_last_call(server) for server in (self._source, self._destination)]
        started = time.monotonic()
        states = self._pipe()
        seconds = time.monotonic() - started
        if not states:
            raise DemoError("the target let no STATE out")
        self._tap = [*self._tap[:3], "--state", self._write("state.json", json.loads(states[-1]))]
        return _run(_calls(self._source, marks[0]), _calls(self._destination, marks[1]), seconds)

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
                f"the tap ended with {tap.returncode}, the target with {target.returncode}:\n"
                + log.read_text(encoding="utf-8")
            )
        return target.stdout.decode().splitlines()

    def _write(self, name: str, content: object) -> str:
        path = self._folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)


def _script(name: str) -> str:
    """Return the path of a console script: of this environment, else of the PATH."""
    here = Path(sysconfig.get_path("scripts")) / name
    found = str(here) if here.exists() else shutil.which(name)
    if found is None:
        raise DemoError(f"{name} is not installed")
    return found


def _last_call(server: SandboxServer) -> int:
    return max((call["seq"] for call in server.journal()), default=0)


def _calls(server: SandboxServer, since: int) -> list[dict[str, Any]]:
    return [call for call in server.journal(since=since) if call["operation"] != "identity"]


def _run(reads: list[dict[str, Any]], writes: list[dict[str, Any]], seconds: float) -> Run:
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
        f"  found        {run.found['query opportunity']:,} opportunities, "
        f"{run.found['query role']:,} roles"
    )
    print(f"  delivered    opportunities: {_delivered(opportunities)}")
    print(f"               roles: {_delivered(roles)}")
    print(
        f"  cost         {run.source_calls} calls to the source, {run.destination_calls} to the "
        f"destination, {run.seconds:.1f} s"
    )
    if opportunities != expect:
        raise DemoError(f"{dict(expect)} was expected, {dict(opportunities)} was found")


def _delivered(statuses: Counter[str]) -> str:
    return ", ".join(f"{statuses[name]:,} {name}" for name in ("created", "updated", "skipped"))


def _compare(source: SandboxServer, destination: SandboxServer) -> None:
    """Compare both instances record by record, field by field.

    Raises:
        DemoError: if they differ.
    """
    there, here = _contents(source), _contents(destination)
    different = sorted(key for key in there.keys() | here.keys() if there.get(key) != here.get(key))
    if different:
        raise DemoError(f"{len(different):,} records differ, the first of them {different[0]}")
    print(f"  compared     {len(here):,} opportunities field by field: all alike")
    _compare_roles(source, destination)


def _compare_roles(source: SandboxServer, destination: SandboxServer) -> None:
    """Compare the roles of both instances by the addresses of their leads.

    Raises:
        DemoError: if one is missing whose address the destination knows, or one is there too many.
    """
    known = {each for each in _addresses(destination).values() if each}
    there, here = _roles_by_address(source), _roles_by_address(destination)
    movable = [role for role in there if role[1] in known]
    if set(movable) != set(here) or len(here) != len(set(here)):
        raise DemoError(f"{len(set(movable)):,} roles were expected, {len(here):,} were found")
    doubles = len(movable) - len(here)
    print(
        f"               {len(here):,} roles by address: all alike; without a counterpart here: "
        f"{len(there) - len(movable):,}" + (f"; of a person twice: {doubles:,}" if doubles else "")
    )


def _people_known_to_both(source: SandboxServer) -> list[dict[str, Any]]:
    """Return most people of the source as the destination has them: each once, by other ids."""
    addresses = sorted({each for each in _addresses(source).values() if each}, reverse=True)
    known = [each for number, each in enumerate(addresses) if number % STRANGER_EVERY]
    return [{"id": FIRST_LEAD + number, "email": each} for number, each in enumerate(known)]


def _addresses(server: SandboxServer) -> dict[int, str]:
    """Return the address of each lead, in lower case, for case does not count; empty if none."""
    return {each["id"]: each.get("email", "").casefold() for each in server.instance.leads()}


def _roles_by_address(server: SandboxServer) -> list[tuple[str, str, str]]:
    """Return opportunity, address and part of each role."""
    addresses = _addresses(server)
    return [
        (each[KEY], addresses[each["leadId"]], each["role"]) for each in server.instance.roles()
    ]


def _contents(server: SandboxServer) -> dict[str, dict[str, Any]]:
    """Return records by key, without the fields that an instance sets by itself."""
    writable = [each for each in OPPORTUNITY.fields if each.updateable or each.name == KEY]
    return {
        record[KEY]: {
            each.name: _plain(record[each.name], each)
            for each in writable
            if record.get(each.name) is not None
        }
        for record in server.instance.opportunities()
    }


def _plain(value: Any, described: Field) -> Any:
    """Return a value in one form: an instance keeps 12.50 as a number or as a string."""
    if described.data_type in NUMBERS:
        return Decimal(str(value))
    return datetime.fromisoformat(value) if described.data_type == "datetime" else value


def _change_latest(server: SandboxServer) -> int:
    """Change the latest records: a second run reads from the last change on, inclusive."""
    latest = sorted(server.instance.opportunities(), key=lambda record: record["updatedAt"])
    ids = [record[KEY] for record in latest[-CHANGED:]]
    return server.instance.change(ids, {"stage": "Negotiation", "amount": 4711.25})
