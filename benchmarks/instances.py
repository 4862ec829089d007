"""A sandbox instance in a process of its own, so that no figure includes its CPU time or memory."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
import urllib.request
from pathlib import Path

if t.TYPE_CHECKING:
    from types import TracebackType

# A proxy could not connect to this machine's loopback address.
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_CONTROL_SECONDS = 600.0
_STOP_SECONDS = 30.0
_DATA_OPERATIONS = ("query opportunity", "sync opportunity")

Call = dict[str, t.Any]


class Instance:
    """Context manager that runs `marketo-sandbox serve` in a process of its own.

    Args:
        *flags: options of its command line.
        script: a script of this directory to run instead, which prints the same line when it is
            ready.
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
        """Send a request to the sandbox's control API: POST if there is a body, otherwise GET."""
        request = urllib.request.Request(
            f"{self.credentials['endpoint']}/sandbox/{path}",
            None if body is None else json.dumps(body).encode(),
        )
        with _HTTP.open(request, timeout=_CONTROL_SECONDS) as answer:
            return json.load(answer)

    def calls(self, since: int = 0) -> list[Call]:
        """Return the calls in the sandbox's journal after a number, without token requests."""
        calls = self.control(f"journal?since={since}")["calls"]
        return [call for call in calls if call["operation"] != "identity"]

    def count(self) -> int:
        """Return how many calls the sandbox instance has received so far."""
        return int(self.control("status")["calls"])


def data_calls(calls: list[Call]) -> list[Call]:
    """Return those of the calls that read or write records; a run makes others when it starts."""
    return [call for call in calls if call["operation"] in _DATA_OPERATIONS]


def seconds_of(calls: list[Call]) -> float:
    """Return the time from the start of the first call to the end of the last one."""
    return float(max(call["ended"] for call in calls) - min(call["started"] for call in calls))


def refusals(calls: list[Call], code: str) -> int:
    """Return how many of the calls Marketo refused with this error code."""
    return sum(code in call["codes"] for call in calls)
