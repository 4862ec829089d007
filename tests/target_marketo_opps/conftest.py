"""Run the target as a library and as a process, against sandboxes."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from marketo_opps.plugin.process import ShutdownSignal
from target_marketo_opps.run import TargetRun
from target_marketo_opps.target import TargetMarketoOpps

if TYPE_CHECKING:
    import signal

COMMAND = Path(sys.executable).with_name("target-marketo-opps")


@dataclass
class Run:
    """The result of one run of the target."""

    states: list = field(default_factory=list)
    error: Exception | None = None
    log: list[str] = field(default_factory=list)

    @property
    def closing(self) -> str:
        return self.log[-1]

    def succeeded(self) -> Run:
        if self.error is not None:
            raise self.error
        return self


def schema(stream="opportunities", properties=("externalOpportunityId", "name", "amount")):
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"properties": {name: {} for name in properties}},
        "key_properties": [],
    }


def record(stream="opportunities", **values):
    return {"type": "RECORD", "stream": stream, "record": values}


def opportunity(key, **values):
    return record(externalOpportunityId=key, **({"name": f"Deal {key}"} | values))


def state(value):
    return {"type": "STATE", "value": value}


def encode(messages) -> bytes:
    lines = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in messages)
    return b"".join(line + b"\n" for line in lines)


class _Records(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("uvicorn"):
            self.lines.append(record.getMessage())


@contextlib.contextmanager
def logged(lines):
    handler, logger = _Records(lines), logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def run_target(sandbox, messages, run_options=None, *, out=None, **settings) -> Run:
    """Run the target in this process; `messages` are bytes, or dicts and lines of bytes."""
    content = messages if isinstance(messages, bytes) else encode(messages)
    run, out = Run(), out or io.StringIO()
    with logged(run.log), contextlib.redirect_stdout(out):
        target = TargetMarketoOpps(config={**sandbox.credentials, **settings})
        target.shutdown = ShutdownSignal()
        try:
            if run_options:
                target.run = make_run(target, **run_options)
            target.listen(io.BytesIO(content))
        except Exception as error:  # noqa: BLE001 - the test checks the error
            run.error = error
    run.states = [json.loads(line) for line in out.getvalue().splitlines()]
    return run


def make_run(target, **options) -> TargetRun:
    """Return the run of a target with other options than the product's."""
    return TargetRun(target.config, target.settings, shutdown=target.shutdown, **options)


class Process:
    """The target as users start it, with pipes for all standard streams."""

    def __init__(self, config: Path, **kwargs) -> None:
        self.popen = subprocess.Popen(
            [COMMAND, "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=kwargs.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": "default"},
            **kwargs,
        )

    def send(self, messages) -> None:
        self.popen.stdin.write(encode(messages))
        self.popen.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def end(self, timeout_seconds: float = 30) -> tuple[int, list, str]:
        """Wait for the end; return exit status, STATE values and stderr. Stdin stays open."""
        stdin, self.popen.stdin = self.popen.stdin, None
        try:
            out, err = self.popen.communicate(timeout=timeout_seconds)
        finally:
            with contextlib.suppress(BrokenPipeError):
                stdin.close()
        return (
            self.popen.returncode,
            [json.loads(line) for line in (out or b"").splitlines()],
            err.decode(),
        )

    def finish(self) -> tuple[int, list, str]:
        """Close stdin and wait for the end; return exit status, STATE values and stderr."""
        self.popen.stdin.close()
        self.popen.stdin = None
        out, err = self.popen.communicate(timeout=60)
        return (
            self.popen.returncode,
            [json.loads(line) for line in (out or b"").splitlines()],
            err.decode(),
        )

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.popen.wait()


@pytest.fixture
def start_target(tmp_path):
    """Start the target as a process, with these settings."""
    started = []

    def start(sandbox, *, stdout=subprocess.PIPE, **settings) -> Process:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({**sandbox.credentials, **settings}))
        started.append(Process(config, stdout=stdout))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def singer():
    """Return functions that make messages and run the target; tests cannot import a conftest."""
    return SimpleNamespace(
        run=run_target,
        make_run=make_run,
        schema=schema,
        record=record,
        opportunity=opportunity,
        state=state,
        encode=encode,
    )
