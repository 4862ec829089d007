"""Ends a plugin's process: on a signal, on an error, or when its work is done."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import time
import typing as t
from concurrent.futures import wait

from marketo_opps import redaction
from marketo_opps.errors import MarketoError, StoppedError
from marketo_opps.plugin.log_lines import OneLineFactory
from marketo_opps.plugin.standard_streams import reopen_closed_streams

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import FrameType

_LOGGER = logging.getLogger("marketo_opps")
_T = t.TypeVar("_T")

BEGAN_AT = time.monotonic()
"""Monotonic time at which this module was imported, shortly after the start of the process."""

GRACE_SECONDS = 10.0
"""How long to wait for calls in flight after a signal."""

# After the grace period, exit hard if something blocks the main thread, such as a pipe whose reader
# has stopped reading.
_SECONDS_AFTER_GRACE = 2.0
_POLL_SECONDS = 0.2
_SIGNAL_EXIT_CODE = 128


class ShutdownSignal:
    """Handler of SIGTERM and SIGINT, and the state of the shutdown that the first signal begins.

    A second signal ends the process at once.

    The handler only sets flags: it may interrupt the main thread anywhere, where data may be half
    written and locks held.

    Args:
        clock: returns monotonic seconds.
        grace_seconds: how long to wait for calls in flight after a signal.
        seconds_after_grace: how much longer the main thread may be blocked before a hard exit.
        poll_seconds: how often `result` checks for a signal.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        grace_seconds: float = GRACE_SECONDS,
        seconds_after_grace: float = _SECONDS_AFTER_GRACE,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._seconds_after_grace = seconds_after_grace
        self._poll_seconds = poll_seconds
        self._callbacks: list[Callable[[], None]] = []
        self._signum: int | None = None
        self._deadline = 0.0

    def install(self) -> None:
        """Install the handlers of SIGTERM, SIGINT and SIGALRM, which ends a blocked process."""
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGALRM, self._give_up)

    def on_request(self, callback: Callable[[], None]) -> None:
        """Register a function to call at the first SIGTERM or SIGINT; it may only set a flag."""
        self._callbacks.append(callback)
        if self.requested:
            callback()

    @property
    def requested(self) -> bool:
        """Return whether SIGTERM or SIGINT has asked the process to end."""
        return self._signum is not None

    @property
    def exit_code(self) -> int:
        """Return the process's exit code: 128 plus the signal's number, or 1 without a signal."""
        return 1 if self._signum is None else _SIGNAL_EXIT_CODE + self._signum

    def result(self, future: Future[_T], meanwhile: Callable[[], object] | None = None) -> _T:
        """Wait for a call and return its result; after a signal, only for the grace period.

        Args:
            future: future of a call.
            meanwhile: called at intervals while waiting.

        Raises:
            StoppedError: the process was asked to end and the call took too long.
        """
        while not wait([future], timeout=self._poll_seconds).done:
            self.raise_if_out_of_time()
            if meanwhile:
                meanwhile()
        return future.result()

    def raise_if_out_of_time(self) -> None:
        """Raise an error if a signal has asked the process to end and the grace period is over.

        Raises:
            StoppedError: the grace period is over.
        """
        if self.requested and self._clock() > self._deadline:
            raise StoppedError("Stopped on request: calls in flight did not finish in time.")

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.requested:
            os._exit(_SIGNAL_EXIT_CODE + signum)
        self._signum = signum
        self._deadline = self._clock() + self._grace_seconds
        signal.setitimer(signal.ITIMER_REAL, self._grace_seconds + self._seconds_after_grace)
        for callback in self._callbacks:
            callback()

    def _give_up(self, _signum: int, _frame: FrameType | None) -> None:
        _write_unless_blocked(_BLOCKED)
        os._exit(self.exit_code)


_BLOCKED = (
    b"Stopped on request while writing was blocked: the reader of the output has stopped reading. "
    b"To resume, run again with the last STATE.\n"
)


def _write_unless_blocked(sentence: bytes) -> None:
    """Write a sentence to standard error; discard it if writing would block."""
    poll = select.poll()
    poll.register(2, select.POLLOUT)
    with contextlib.suppress(OSError):
        if poll.poll(0):
            os.write(2, sentence)


SHUTDOWN = ShutdownSignal()
"""The instance for this process, because signals are handled per process."""


def run(
    main: Callable[[], object],
    *,
    expected_errors: tuple[type[Exception], ...] = (),
    shutdown: ShutdownSignal = SHUTDOWN,
    at_end: Callable[[int], None] = lambda _code: None,
) -> t.NoReturn:
    """Run a console script, and end the process with at most one sentence about an error.

    Args:
        main: the script; it may raise `SystemExit`.
        expected_errors: exceptions with texts for users, in addition to `MarketoError`.
        shutdown: the handler of signals, which is installed first.
        at_end: called with the exit code before the process ends.
    """
    reopen_closed_streams()
    redaction.install(OneLineFactory)
    shutdown.install()
    code = _exit_code(main, (MarketoError, *expected_errors))
    if shutdown.requested:
        code = shutdown.exit_code
    # Not sys.exit: a thread that waits for Marketo could hold a lock that the interpreter needs for
    # its shutdown. All output is flushed, and nothing else is left to do.
    code = _flush(code)
    at_end(code)
    os._exit(code)


def _exit_code(
    main: Callable[[], object],
    expected_errors: tuple[type[Exception], ...],
) -> int:
    try:
        main()
    except SystemExit as end:
        return _system_exit_code(end)
    except BrokenPipeError:
        return 1
    except Exception as error:
        # The last handler of the process.
        if sentence := _sentence(error, expected_errors):
            _LOGGER.error("%s", sentence)
        else:
            _LOGGER.critical(
                "Internal error; please report it with the traceback below:", exc_info=True
            )
        return 1
    return 0


def _sentence(error: Exception, expected_errors: tuple[type[Exception], ...]) -> str | None:
    """Return the message for users about an error; None if it is a bug in the program."""
    if isinstance(error, expected_errors):
        return str(error)
    if isinstance(error, MemoryError) or str(error) == _NO_THREAD:
        return _NO_MEMORY
    if isinstance(error, OSError):
        return f"Reading or writing{_where(error)} failed: {_why(error)}. {_AGAIN}"
    return None


# Python's message if the system allows no further thread, usually for lack of memory.
_NO_THREAD = "can't start new thread"
_NO_MEMORY = (
    "Out of memory: allow this process at least 256 MiB (container limit or ulimit), then run "
    "again with the last STATE."
)
_AGAIN = "Correct that, then run again with the last STATE."


def _where(error: OSError) -> str:
    return f" of {error.filename!r}" if error.filename is not None else ""


def _why(error: OSError) -> str:
    """Return the operating system's description of an `OSError`, without the error's number."""
    return error.strerror or str(error) or type(error).__name__


def _system_exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    _LOGGER.error("%s", end.code)
    return 1


def _flush(code: int) -> int:
    """Flush standard output and return the exit code, which is not 0 if flushing fails.

    No error is logged if the reader of the pipe has closed it.
    """
    try:
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        code = code or 1
    except OSError as error:
        if not code:
            # After an earlier error the cause is most likely the same, and reported already.
            _LOGGER.error("Flushing standard output failed: %s. %s", _why(error), _AGAIN)
        code = code or 1
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    return code
