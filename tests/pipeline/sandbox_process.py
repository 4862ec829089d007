"""A sandbox instance as a separate process, started by its console script."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import typing as t

import requests

from tests.pipeline.processes import BIN, READY_SECONDS

if t.TYPE_CHECKING:
    from pathlib import Path


class SandboxProcess:
    """`marketo-sandbox serve` as a process that can be stopped and started again.

    Args:
        directory: directory for database and output.
        name: name of the instance, for its file names.
        options: options of `marketo-sandbox serve`.
    """

    def __init__(self, directory: Path, name: str, *options: str) -> None:
        self.name = name
        self.database = directory / f"{name}.sqlite"
        self._stderr_path = directory / f"{name}.stderr"
        self._options = ["--database", str(self.database), *options]
        self._http = requests.Session()
        self._http.trust_env = False
        self.port = 0
        self.start()

    def start(self, clock: str | None = None) -> None:
        """Start the process, on the same port as before if it was started before."""
        options = [*self._options, "--port", str(self.port)]
        if clock is not None:
            options += ["--clock", clock]
        with self._stderr_path.open("ab") as stderr:
            self._process = subprocess.Popen(
                [BIN / "marketo-sandbox", "serve", *options],
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self.credentials: dict[str, str] = json.loads(self._first_line())
        self.port = int(self.credentials["endpoint"].rsplit(":", 1)[1])

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Stop the process; the records stay in its database."""
        self._process.send_signal(signum)
        code = self._process.wait(READY_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def close(self) -> None:
        """Stop the process and close all connections to it."""
        if self._process.returncode is None:
            self.stop()
        self._http.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stderr(self) -> str:
        return self._stderr_path.read_text()

    def ask(self, path: str, **parameters: t.Any) -> t.Any:
        """Return the response to a GET of a control path."""
        return self._told("GET", path, params=parameters)

    def tell(self, path: str, body: t.Any = None) -> t.Any:
        """Return the response to a POST to a control path."""
        return self._told("POST", path, json=body or {})

    def clear_faults(self) -> None:
        self._told("DELETE", "faults")

    def _told(self, method: str, path: str, **more: t.Any) -> t.Any:
        url = f"{self.credentials['endpoint']}/sandbox/{path}"
        answer = self._http.request(method, url, timeout=READY_SECONDS, **more)
        if not answer.ok:
            raise AssertionError(f"{self.name} refused {method} {path}: {answer.text}")
        return answer.json()

    def _first_line(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        alarm = threading.Timer(READY_SECONDS, self._process.kill)
        alarm.start()
        line = stdout.readline()
        alarm.cancel()
        if not line:
            raise AssertionError(f"{self.name} did not start:\n{self.stderr}")
        return line
