"""A sandbox instance in a process of its own, so that its work is in nobody's figures."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
import urllib.request
from pathlib import Path

if t.TYPE_CHECKING:
    from types import TracebackType

# No proxy reaches this machine's loopback.
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_CONTROL_SECONDS = 600.0
_STOP_SECONDS = 30.0
_DATA_OPERATIONS = ("query opportunity", "sync opportunity")

Call = dict[str, t.Any]


class Instance:
    """`marketo-sandbox serve` with these options; a context manager.

    Args:
        *flags: as the command line takes them.
        script: one of the scripts here instead, which prints the same line when it is ready.
    """

    def __init__(self, *flags: str, script: str | None = None) -> None:
        command = ["-m", "marketo_sandbox", "serve", *flags]
        if script is not None:
            command = [str(Path(__file__).with_name(f"{script}.py"))]
        self._process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        if not ready:
            raise RuntimeError(f"the sandbox did not start: {flags}")
        self.credentials: dict[str, str] = json.loads(ready)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(_STOP_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def control(self, path: str, body: dict[str, t.Any] | None = None) -> t.Any:
        """Ask the sandbox itself, not the instance that it plays: GET, or POST with a body."""
        request = urllib.request.Request(
            f"{self.credentials['endpoint']}/sandbox/{path}",
            None if body is None else json.dumps(body).encode(),
        )
        with _HTTP.open(request, timeout=_CONTROL_SECONDS) as answer:
            return json.load(answer)

    def calls(self, since: int = 0) -> list[Call]:
        """The calls after a number, those for a token left out: they count against no limit."""
        told = self.control(f"journal?since={since}")["calls"]
        return [call for call in told if call["operation"] != "identity"]

    def count(self) -> int:
        """How many calls have ever come."""
        return int(self.control("status")["calls"])


def data_calls(calls: list[Call]) -> list[Call]:
    """The record calls alone: what precedes them is start-up."""
    return [call for call in calls if call["operation"] in _DATA_OPERATIONS]


def seconds_of(calls: list[Call]) -> float:
    """From when the first call came to when the last was answered."""
    return float(max(call["ended"] for call in calls) - min(call["started"] for call in calls))


def refusals(calls: list[Call], code: str) -> int:
    """How many calls were answered with this code."""
    return sum(code in call["codes"] for call in calls)
