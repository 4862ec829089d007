"""Runs of a tap into a warehouse, night after night, some of which are killed."""

from __future__ import annotations

import os

from marketo_opps import MarketoError
from tests.tap_marketo_opps.conftest import CapturingWriter, KilledError, Output
from tests.tap_marketo_opps.histories.people import COMPANIES
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, PATHS, ROLES, Warehouse

LIST = 1001
MOST_ATTEMPTS = 20
DISTURBED_ATTEMPTS = 3
# They cost no wait: with `max_retry_seconds` 0 the run ends with some, and goes on after others.
FAULTS = (
    *("expire_tokens", "expire_page_tokens", "http_502", "cut_before", "truncated_body"),
    *("drop_keep_alive", "606", "607", "611", "603"),
)


class _Output(CapturingWriter):
    """An output that is killed after some bytes, and changes the instance between writes."""

    def __init__(self, most_bytes, happen):
        super().__init__(most_bytes)
        self._happen = happen
        self.is_killed = False

    def write(self, lines):
        try:
            super().write(lines)
        except KilledError:
            self.is_killed = True
            raise
        self._happen()


class Nights:
    """A tap, a loader that is killed as the tap is, and what they have brought.

    Args:
        sandbox: the instance that is read.
        people: who work with it meanwhile.
        sync: runs the tap.
        dice: draws what befalls the runs.
        folder: for files.

    Attributes:
        loaded: the warehouse's table of each stream.
        due: deals that a finished run cannot have missed.
    """

    def __init__(self, sandbox, people, sync, dice, folder):
        self._sandbox, self._people, self._sync = sandbox, people, sync
        self._dice, self._folder = dice, folder
        self._state = None
        self._batch_size = dice.choice([3, 10, 50, 300])
        self.loaded = {stream: Warehouse(stream=stream) for stream in (OPPORTUNITIES, ROLES)}
        self.due = set()

    def sweep(self, *, at_rest=False):
        """Run a backfill by leads, in one of three ways."""
        leads = self._sandbox.instance.lead_ids()
        # With room for leads that come before the sweep has left its first STATE.
        last = max(leads) + 1000
        ways = {
            "range": {"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": last},
            "file": {"find_by": "lead_ids", "lead_ids_path": str(self._lead_file(leads))},
            "list": {"find_by": "lead_list", "lead_list_id": LIST},
        }
        self._sandbox.instance.add_to_list(LIST, leads)
        self._until_done(ways[self._dice.choice(sorted(ways))], at_rest=at_rest)

    def daily(self, *, at_rest=False):
        """Load what has changed by the activity log."""
        self._until_done({"find_by": "activities"}, at_rest=at_rest)

    def reconcile(self):
        """Run a reconcile over the warehouse's rows."""
        paths = {
            PATHS[stream]: str(table.export(self._folder / f"{stream}.csv"))
            for stream, table in self.loaded.items()
        }
        more = {"max_gone_percent": 100}
        self._until_done({"find_by": "reconcile", **paths, **more}, at_rest=True)

    def by_company(self):
        """Read the deals of all companies, with a state of its own."""
        way = {"filter_type": "externalCompanyId", "filter_values": COMPANIES}
        return self._sync({**self._sandbox.credentials, **way}).records()

    def _lead_file(self, leads):
        path = self._folder / "leads.txt"
        path.write_text("".join(f"{each}\n" for each in leads))
        now = self._sandbox.instance.clock.seconds()
        os.utime(path, (now, now))
        return path

    def _until_done(self, way, *, at_rest=False):
        """Repeat a run until tap and loader have both finished; the instance changes meanwhile."""
        self._people.watch()
        self._sandbox.advance(self._dice.randrange(3600, 36 * 3600))
        config = {**self._sandbox.credentials, **way, "batch_size": self._batch_size}
        for attempt in range(MOST_ATTEMPTS):
            is_disturbed = attempt < DISTURBED_ATTEMPTS
            if self._attempt(config, at_rest=at_rest, is_disturbed=is_disturbed):
                self.due |= {*self._people.held.values()}
                return
            self._sandbox.advance(self._dice.randrange(60, 12 * 3600))
            if not at_rest:
                self._act()
        raise AssertionError(f"no run of {way} has ended well")

    def _attempt(self, config, *, at_rest, is_disturbed):
        most_bytes = self._dice.randrange(1, 50_000) if is_disturbed and self._odds(0.5) else None
        if is_disturbed and self._odds(0.5):
            self._sandbox.fault(self._dice.choice(FAULTS), times=1, skip=self._dice.randrange(12))
        writer = _Output(most_bytes, lambda: None if at_rest else self._act(0.1))
        is_well = self._run({**config, "max_retry_seconds": 0}, writer)
        self._sandbox.clear_faults()
        messages = Output.of(writer.written).messages
        if is_disturbed and self._odds(0.3):
            messages = messages[: self._dice.randrange(len(messages) + 1)]
            is_well = False
        self._load(messages)
        return is_well

    def _run(self, config, writer):
        try:
            self._sync(config, state=self._state, writer=writer)
        except MarketoError:
            return False
        return not writer.is_killed

    def _load(self, messages):
        """Load the records of a run, those after the last STATE only sometimes."""
        output = Output(messages)
        self._state = output.state or self._state
        if self._odds(0.5):
            ends = [number for number, each in enumerate(messages, 1) if each["type"] == "STATE"]
            output = Output(messages[: ends[-1] if ends else 0])
        for table in self.loaded.values():
            if output.records(table.stream):
                table.load(output)

    def _act(self, odds=0.7):
        while self._odds(odds):
            self._people.act()

    def _odds(self, odds):
        return self._dice.random() < odds
