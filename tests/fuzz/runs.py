"""One run of a plugin as a process: start, disturb, wait; check what any run must keep to."""

from __future__ import annotations

import os
import signal
import tempfile
import time
import typing as t
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from marketo_sandbox.options import LimitOptions, SandboxOptions
from marketo_sandbox.server.server import SandboxServer
from tests.fuzz.disturbances import REFUSALS, Kill, Moments
from tests.fuzz.quick import Sizes, quicken
from tests.pipeline.malformed_responses.forked import ForkedPlugin
from tests.soak.audit import CUSTOMERS_DATA

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MARK = "qzx"
"""Part of each value of the random records that is no key; must not be in any output."""

RUN_SECONDS = 60.0
# A call that a killed process has sent may still be unread.
UNREAD_SECONDS = 0.02
DEFAULT_SIZES = Sizes()
MANY = LimitOptions(calls_per_window=100_000, concurrent_calls=1_000, daily_calls=10**9)


class FoundError(AssertionError):
    """A broken promise."""


@dataclass
class Tally:
    """Counts of some cases.

    Attributes:
        runs: number of processes started.
        kills: number of processes that a signal ended.
        faults: number of calls with an injected fault.
        records: number of records compared with an instance, a loaded copy or a receipt.
        lost: number of records that were missing or different.
    """

    runs: int = 0
    kills: int = 0
    faults: int = 0
    records: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Ended:
    """A run that has ended.

    Attributes:
        code: exit status.
        stdout, stderr: output.
        faults: names of the injected faults.
        refused: request ids of the calls that an injected fault has refused because of a record.
        signum: the signal that was sent; 0 if none was.
    """

    code: int
    stdout: str
    stderr: str
    faults: tuple[str, ...]
    refused: set[str]
    signum: int

    @property
    def is_undisturbed(self) -> bool:
        return not self.faults and not self.signum


@dataclass
class SignalSender:
    """Sends the planned signal to a plugin.

    Attributes:
        kill: the signal; None to send none.
        plugin: the plugin, once it has been started.
        signum: the signal that was sent; 0 if none was.
    """

    kill: Kill | None
    plugin: ForkedPlugin | None = None
    signum: int = 0

    def send(self) -> None:
        """Send the signal."""
        if self.kill and self.plugin:
            self.signum = self.kill.signum
            self.plugin.kill(self.signum)


@dataclass
class Runner:
    """Runs plugins against one sandbox.

    Args:
        options: options of the sandbox.
        tally: counts to add to.
        directory: directory for the files of all runs.
    """

    options: Mapping[str, t.Any]
    tally: Tally
    directory: Path
    moments: Moments = field(default_factory=Moments)
    sandbox: SandboxServer = field(init=False)

    def __post_init__(self) -> None:
        options = SandboxOptions(**{"limits": MANY, **self.options})
        self.sandbox = SandboxServer(options, sleep=self.moments.sleep).start()

    def close(self) -> None:
        """Stop the sandbox, and raise an error if it had a problem."""
        self.sandbox.stop()
        if self.sandbox.problems:
            raise AssertionError("in the sandbox: " + "\n".join(self.sandbox.problems))

    def run(
        self,
        program: str,
        config: Mapping[str, t.Any],
        *arguments: str,
        stdin: str = "",
        kill: Kill | None = None,
        acts: Mapping[int, Callable[[], None]] | None = None,
        sizes: Sizes = DEFAULT_SIZES,
        may_fail: bool = False,
        pipes: Mapping[str, int] = MappingProxyType({}),
    ) -> Ended:
        """Run a plugin until it ends or is killed, and check what holds for every run.

        Args:
            program: name of the console script.
            config: settings.
            arguments: other arguments of the command line.
            stdin: standard input.
            kill: signal to send; None for none.
            acts: what to do at which moment.
            sizes: sizes and waits in the process.
            may_fail: whether it may fail although it is not disturbed.
            pipes: descriptors of standard streams that are pipes; closed once it has begun.
        """
        self.tally.runs += 1
        since = self.sandbox.api.journal.calls
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        (directory / f"{program}.stdin").write_text(stdin)
        sender = SignalSender(kill)
        moments = {kill.moment: sender.send} if kill and kill.moment else {}
        self.moments.plan({**(acts or {}), **moments})
        whole = {**self.sandbox.credentials, **config}
        prepare = partial(quicken, sizes)
        sender.plugin = plugin = ForkedPlugin(
            program, whole, directory, *arguments, prepare=prepare, pipes=pipes
        )
        for descriptor in pipes.values():
            os.close(descriptor)
        if kill and not kill.moment:
            time.sleep(kill.seconds)
            sender.send()
        code = plugin.wait(RUN_SECONDS)
        self.moments.plan({})
        self._await_calls(UNREAD_SECONDS if sender.signum else 0.0)
        calls = [each for each in self.sandbox.journal(since) if each["fault"]]
        self.tally.faults += len(calls)
        faults = [each["fault"] for each in calls]
        if sizes.timeout_seconds:
            faults.append("timeout")  # on a busy machine, a call without a fault may be slow too
        refused = {each["request_id"] for each in calls if each["fault"] in REFUSALS}
        self.tally.kills += code < 0 or code > 128
        ended = Ended(code, plugin.stdout, plugin.stderr, (*faults,), refused, sender.signum)
        # A tap whose reader is gone ends without a message.
        is_quiet = may_fail and "stdout" in pipes
        self._check(ended, may_fail=may_fail or not ended.is_undisturbed, is_quiet=is_quiet)
        return ended

    def _await_calls(self, unread_seconds: float) -> None:
        """Wait until the calls of an ended process have been read and answered."""
        time.sleep(unread_seconds)
        while self.sandbox.instance.limits.in_flight:
            time.sleep(0.001)

    def _check(self, ended: Ended, *, may_fail: bool, is_quiet: bool) -> None:
        _check_status(ended, may_fail=may_fail)
        if not is_quiet:
            _check_reason(ended)
        if "Traceback" in ended.stderr:
            raise FoundError(f"a traceback:\n{ended.stderr[-2500:]}")
        secrets = self._secrets()
        for line in ended.stderr.splitlines():
            if any(secret in line for secret in secrets):
                raise FoundError(f"a secret or a customer's data in: {line[:500]}")

    def _secrets(self) -> list[str]:
        meta = self.sandbox.instance.storage.meta
        tokens = [meta("token") or "", *(meta("tokens_expired") or "").split()]
        bare = [token.partition(":")[0] for token in tokens if token]
        return [self.sandbox.client_secret, MARK, *CUSTOMERS_DATA, *bare]


def _check_status(ended: Ended, *, may_fail: bool) -> None:
    """Raise an error if the exit status is not the documented one."""
    if ended.signum and ended.code and not ended.stderr:
        return  # it came before the console script had begun
    allowed = {0, *([1] if may_fail else [])}
    if ended.signum:
        allowed.add(-ended.signum if ended.signum == signal.SIGKILL else 128 + ended.signum)
    if ended.code not in allowed:
        raise FoundError(
            f"exit status {ended.code}, signal {ended.signum}:\n{ended.stderr[-1500:]}"
        )


def _check_reason(ended: Ended) -> None:
    """Raise an error if a run has failed without a message."""
    if ended.signum and not ended.stderr:
        return  # the signal came before the console script had begun
    if ended.code == 1 and not any(f"| {each}" in ended.stderr for each in ("ERROR", "CRITICAL")):
        raise FoundError(f"exit status 1 without an error:\n{ended.stderr[-1500:]}")
