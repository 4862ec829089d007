"""The two instances of the soak test: their faults, restarts and clocks."""

from __future__ import annotations

import time
import typing as t
from datetime import datetime, timedelta

from tests.pipeline.sandbox_process import SandboxProcess
from tests.soak.new_values import KNOWN_SALES_PERSONS
from tests.soak.watch import Watch

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.soak.plan import Event

BEGIN = "2026-03-01T06:00:00+00:00"
# An activity may become visible late, but within the tap's default overlap of 600 s.
ACTIVITY_DELAY_SECONDS = 240

# Together one call in ten. 606 is rare, because it makes the client wait for seconds.
FAULTS: list[dict[str, t.Any]] = [
    {"fault": "606", "probability": 0.002},
    {"fault": "615", "probability": 0.004},
    *({"fault": code, "probability": 0.006} for code in ("500", "502", "604", "608", "614")),
    {"fault": "611", "probability": 0.006, "after": True},
    {"fault": "713", "probability": 0.008, "after": True},
    {"fault": "http_502", "probability": 0.006, "after": True},
    {"fault": "http_503", "probability": 0.006},
    {"fault": "html", "probability": 0.006, "status": 502},
    {"fault": "cut_before", "probability": 0.008},
    {"fault": "cut_after_write", "probability": 0.01},
    {"fault": "truncated_body", "probability": 0.008},
    {"fault": "drop_keep_alive", "probability": 0.008},
    {"fault": "slow", "probability": 0.01, "seconds": 0.4},
    {"fault": "expire_tokens", "probability": 0.006},
    {"fault": "expire_page_tokens", "probability": 0.004},
]


class Instances:
    """Source and destination with the same leads, and a watch of each.

    Args:
        directory: directory for databases and output.
        seed: random seed of records and faults.
        opportunities: number of opportunities in the source at the start.

    Attributes:
        watches: watch of the source (`tap`) and of the destination (`target`).
    """

    def __init__(self, directory: Path, seed: int, opportunities: int) -> None:
        leads = str(opportunities // 2)
        options = ("--seed", str(seed), "--latency-ms", "40", "--clock", BEGIN, "--leads", leads)
        deals = ("--opportunities", str(opportunities))
        self.source = SandboxProcess(directory, "source", *options, *deals)
        self.destination = SandboxProcess(directory, "destination", *options)
        self.watches = {"tap": Watch(self.source), "target": Watch(self.destination)}

    def close(self) -> None:
        """Stop both instances."""
        self.source.close()
        self.destination.close()

    def configure(self) -> None:
        """Inject faults into both instances, and set their other options."""
        for watch in self.watches.values():
            self._configure(watch.instance)

    def calm(self) -> None:
        """Inject no more faults."""
        for watch in self.watches.values():
            watch.instance.clear_faults()

    def restart(self, event: Event) -> None:
        """End an instance, and start it again after some time."""
        watch = self.watches[event.plugin]
        watch.read_status()
        clock = _clock(watch.instance)
        watch.instance.stop(event.signum)
        time.sleep(event.seconds)
        watch.instance.start((clock + timedelta(seconds=event.seconds)).isoformat())
        watch.restarted()
        self._configure(watch.instance)

    def let_time_pass(self, seconds: float) -> None:
        """Advance both clocks."""
        for instance in (self.source, self.destination):
            instance.tell("clock", {"advance": seconds})

    def now(self) -> float:
        """Return the time by the source's clock, in seconds since 1970."""
        return _clock(self.source).timestamp()

    def _configure(self, instance: SandboxProcess) -> None:
        instance.tell("faults", FAULTS)
        if instance is self.source:
            options = {"activity_delay_seconds": ACTIVITY_DELAY_SECONDS, "short_pages": 0.1}
            instance.tell("options", options)
        else:
            instance.tell("options", {"sales_persons": list(KNOWN_SALES_PERSONS)})


def _clock(instance: SandboxProcess) -> datetime:
    return datetime.fromisoformat(instance.ask("clock")["now"])
