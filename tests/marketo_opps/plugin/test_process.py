"""How a process ends: exit code, messages and timing; with real signals and pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Future

import pytest

from marketo_opps import StoppedError
from marketo_opps.plugin.process import GRACE_SECONDS, ShutdownSignal

pytestmark = [pytest.mark.slow, pytest.mark.waits]

SECRET = "s3cret-of-the-tests"

PREAMBLE = """
import os, signal, sys, threading, time
from marketo_opps import *
from marketo_opps.plugin.process import SHUTDOWN, ShutdownSignal, run

def ready():
    sys.stderr.write("ready\\n")
    sys.stderr.flush()

def signal_self(signum=signal.SIGTERM):
    os.kill(os.getpid(), signum)
"""


def script(main):
    return [sys.executable, "-c", PREAMBLE + textwrap.dedent(main)]


def ended(main, **keywords):
    """Run a script to its end; return exit code, stdout and stderr."""
    done = subprocess.run(
        script(main), capture_output=True, text=True, timeout=30, check=False, **keywords
    )
    return done.returncode, done.stdout, done.stderr


class Running:
    """A running script that has reported that it is ready."""

    def __init__(self, main):
        self.process = subprocess.Popen(
            script(main), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr.readline() == "ready\n"

    def signalled(self, *signums):
        began = time.monotonic()
        for signum in signums:
            self.process.send_signal(signum)
            time.sleep(0.05)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err, time.monotonic() - began


@pytest.fixture
def alarms(monkeypatch):
    """Record the timers that are set instead of setting them."""
    set_to = []
    monkeypatch.setattr(signal, "setitimer", lambda _which, seconds: set_to.append(seconds))
    return set_to


class TestWithoutASignal:
    def test_a_successful_run_exits_with_0_and_logs_nothing(self):
        assert ended("run(lambda: print('done'))") == (0, "done\n", "")

    @pytest.mark.parametrize(("code", "exit_code"), [("0", 0), ("", 0), ("3", 3)])
    def test_the_exit_code_of_system_exit_is_kept(self, code, exit_code):
        assert ended(f"run(lambda: sys.exit({code}))") == (exit_code, "", "")

    def test_the_text_of_system_exit_is_logged(self):
        assert ended("run(lambda: sys.exit('What a pity.'))") == (1, "", "What a pity.\n")

    def test_a_marketo_error_is_one_sentence_and_no_traceback(self):
        main = """
            def main():
                raise SettingsError("Setting 'endpoint' is missing or empty.")
            run(main)
        """
        assert ended(main) == (1, "", "Setting 'endpoint' is missing or empty.\n")

    def test_an_expected_error_is_one_sentence_and_no_traceback(self):
        main = """
            def main():
                raise LookupError("It is not there.")
            run(main, expected_errors=(LookupError,))
        """
        assert ended(main) == (1, "", "It is not there.\n")

    def test_control_characters_of_an_error_are_escaped(self):
        main = r"""
            def main():
                raise SettingsError("a\nb\x1b[0m\u2028.")
            run(main)
        """
        assert ended(main) == (1, "", "a\\nb\\x1b[0m\\u2028.\n")

    def test_a_defect_is_logged_with_a_redacted_traceback(self):
        main = f"""
            from marketo_opps.redaction import REDACTOR
            REDACTOR.protect({SECRET!r})
            def main():
                raise ZeroDivisionError("with " + {SECRET!r})
            run(main)
        """
        code, out, err = ended(main)
        assert (code, out) == (1, "")
        assert "please report it" in err
        assert "\nTraceback (most recent call last):\n" in err
        assert "\nZeroDivisionError: with [redacted]\n" in err
        assert SECRET not in err

    def test_a_secret_in_an_expected_error_is_redacted(self):
        main = f"""
            from marketo_opps.redaction import REDACTOR
            REDACTOR.protect({SECRET!r})
            def main():
                raise SettingsError("It is " + {SECRET!r})
            run(main)
        """
        assert ended(main) == (1, "", "It is [redacted]\n")

    AGAIN = "Correct that, then run again with the last STATE."
    NO_MEMORY = (
        "Out of memory: allow this process at least 256 MiB (container limit or ulimit), then run "
        "again with the last STATE."
    )

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            ("OSError('odd')", f"Reading or writing failed: odd. {AGAIN}"),
            ("OSError()", f"Reading or writing failed: OSError. {AGAIN}"),
            ("OSError(5, 'bad', '')", f"Reading or writing of '' failed: bad. {AGAIN}"),
            ("MemoryError()", NO_MEMORY),
            ('RuntimeError("can\'t start new thread")', NO_MEMORY),
        ],
    )
    def test_an_error_of_the_system_is_one_sentence(self, error, told):
        main = f"""
            def main():
                raise {error}
            run(main)
        """
        assert ended(main) == (1, "", told + "\n")

    @pytest.mark.parametrize(
        ("end", "code"), [("pass", 0), ("sys.exit(3)", 3), ("1 / 0", 1), ("signal_self()", 143)]
    )
    def test_the_exit_code_is_told_after_the_output(self, end, code):
        main = f"""
            def main():
                print("line")
                {end}
            run(main, at_end=lambda code: os.write(1, b"%d" % code))
        """
        assert ended(main)[:2] == (code, f"line\n{code}")

    def test_a_waiting_thread_does_not_delay_the_exit(self):
        main = """
            def main():
                threading.Thread(target=time.sleep, args=(60,)).start()
            run(main)
        """
        began = time.monotonic()
        assert ended(main)[0] == 0
        assert time.monotonic() - began < 10


class TestSignals:
    WAITING = """
        def main():
            SHUTDOWN.on_request(lambda: None)
            ready()
            while not SHUTDOWN.requested:
                time.sleep(0.01)
            raise StoppedError("Stopped on request.")
        run(main)
    """

    @pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    def test_a_signal_ends_the_run_with_128_plus_its_number(self, signum, code):
        got, out, err, seconds = Running(self.WAITING).signalled(signum)
        assert (got, out, err) == (code, "", "Stopped on request.\n")
        assert seconds < 5

    @pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    def test_a_second_signal_ends_the_process_at_once(self, signum, code):
        main = """
            def main():
                ready()
                while True:
                    time.sleep(0.01)
            run(main)
        """
        got, _, err, seconds = Running(main).signalled(signal.SIGTERM, signum)
        assert got == code
        assert "Traceback" not in err
        assert seconds < 5

    @pytest.mark.parametrize("how", ["return", "sys.exit(0)", "raise BrokenPipeError", "1 / 0"])
    def test_after_a_signal_the_exit_code_is_always_the_signals(self, how):
        main = f"""
            def main():
                signal_self()
                {how}
            run(main)
        """
        assert ended(main)[0] == 143

    def test_output_before_a_signal_is_flushed(self):
        main = """
            def main():
                print("line")
                signal_self()
            run(main)
        """
        assert ended(main)[:2] == (143, "line\n")

    def test_callbacks_are_called_once_and_late_ones_at_once(self):
        main = """
            def main():
                SHUTDOWN.on_request(lambda: print("called"))
                signal_self()
                SHUTDOWN.on_request(lambda: print("called late"))
            run(main)
        """
        assert ended(main)[:2] == (143, "called\ncalled late\n")

    def test_a_blocked_main_thread_ends_in_a_hard_exit(self):
        """Block the main thread, as a write does whose reader has stopped; with shortened times."""
        main = """
            def main():
                ready()
                while True:
                    time.sleep(60)
            run(main, shutdown=ShutdownSignal(grace_seconds=0.3, seconds_after_grace=0.0))
        """
        code, _, err, seconds = Running(main).signalled(signal.SIGTERM)
        assert code == 143
        assert err.startswith("Stopped on request while writing was blocked: the reader")
        assert 0.2 < seconds < 5

    def test_a_blocked_stdout_does_not_prevent_the_hard_exit(self):
        main = """
            def main():
                ready()
                while True:
                    sys.stdout.write("x" * 65536)
            run(main, shutdown=ShutdownSignal(grace_seconds=0.3, seconds_after_grace=0.0))
        """
        process = Running(main).process
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
        process.stdout.close()
        process.stderr.close()

    @pytest.mark.parametrize("reader", ["has stopped reading", "has ended"])
    def test_a_lost_stderr_does_not_prevent_the_hard_exit(self, reader):
        main = """
            def main():
                ready()
                while True:
                    try:
                        sys.stderr.write("x" * 65536)
                    except OSError:
                        pass
            shutdown = ShutdownSignal(grace_seconds=0.3, seconds_after_grace=0.0)
            run(main, shutdown=shutdown, at_end=lambda code: os.write(1, b"no hard exit"))
        """
        process = Running(main).process
        if reader == "has ended":
            process.stderr.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
        assert process.stdout.read() == ""
        process.stdout.close()
        process.stderr.close()


class TestBrokenPipe:
    @pytest.mark.parametrize("stdout", ["/dev/full", "closed"])
    def test_an_earlier_exit_code_is_kept_without_a_second_error(self, stdout):
        if stdout == "/dev/full" and not os.path.exists(stdout):  # noqa: PTH110 - a device
            pytest.skip("this system has no /dev/full")
        close = "sys.stdout.close()" if stdout == "closed" else "pass"
        main = f"""
            def main():
                print("x")
                {close}
                sys.exit(3)
            sys.stdout = open({"os.devnull" if stdout == "closed" else repr(stdout)}, "w")
            run(main)
        """
        assert ended(main) == (3, "", "")

    def test_a_stdout_that_the_parent_has_closed_is_one_sentence(self):
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *script("run(lambda: print('x'))")],
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
        again = "Correct that, then run again with the last STATE."
        told = f"Flushing standard output failed: Bad file descriptor. {again}\n"
        assert (done.returncode, done.stderr) == (1, told)

    @pytest.mark.parametrize(
        "write",
        [
            "while True: print('x' * 10_000)",
            "print('short, and still buffered at the end')",
            "sys.stdout.buffer.write(b'the same in bytes')",
        ],
    )
    def test_a_closed_pipe_ends_the_run_with_1_and_no_message(self, write):
        main = f"""
            def main():
                time.sleep(0.2)
                {write}
            run(main)
        """
        read_end, write_end = os.pipe()
        os.close(read_end)
        with subprocess.Popen(
            script(main), stdout=write_end, stderr=subprocess.PIPE, text=True
        ) as process:
            os.close(write_end)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert err == ""

    @pytest.mark.parametrize(
        ("write", "told"),
        [
            ("print('x')", "Flushing standard output failed"),
            ("print('x', flush=True)", "Reading or writing failed"),
        ],
    )
    def test_a_full_disk_is_one_sentence_and_no_traceback(self, write, told):
        if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device
            pytest.skip("this system has no /dev/full")
        with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
            done = subprocess.run(
                script(f"run(lambda: {write})"),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=30,
                check=False,
                env={**os.environ, "PYTHONUNBUFFERED": ""},
            )
        assert done.returncode == 1
        again = "Correct that, then run again with the last STATE."
        assert done.stderr == f"{told}: No space left on device. {again}\n"

    def test_a_file_that_cannot_be_read_is_named(self):
        code, _, err = ended("run(lambda: open('no/such/file'))")
        assert code == 1
        told = "Reading or writing of 'no/such/file' failed: No such file or directory."
        assert err.startswith(told)

    def test_a_closed_stdout_is_a_failure(self):
        assert ended("run(lambda: sys.stdout.close())")[::2] == (1, "")


class TestResult:
    """Waiting for calls in flight within the grace period after a signal."""

    @pytest.fixture(autouse=True)
    def _handlers(self, alarms):
        """Restore the handlers that `ask_to_end` replaces."""
        signums = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
        before = [signal.getsignal(signum) for signum in signums]
        yield
        for signum, handler in zip(signums, before, strict=True):
            signal.signal(signum, handler)

    @pytest.fixture
    def shutdown(self):
        return ShutdownSignal(clock=lambda: self.now, poll_seconds=0.005)

    def ask_to_end(self, shutdown):
        shutdown.install()
        signal.raise_signal(signal.SIGTERM)

    now = 1000.0

    def test_a_finished_future_returns_its_result(self, shutdown):
        future = Future()
        future.set_result(7)
        assert shutdown.result(future) == 7

    def test_a_result_is_waited_for(self, shutdown):
        future = Future()
        timer = threading.Timer(0.05, future.set_result, [7])
        timer.start()
        assert shutdown.result(future) == 7

    def test_a_function_is_called_repeatedly_during_the_wait(self, shutdown):
        future = Future()
        done = []

        def meanwhile():
            done.append(len(done))
            if len(done) == 2:
                future.set_result(7)

        assert shutdown.result(future, meanwhile) == 7
        assert done == [0, 1]
        assert shutdown.result(future, meanwhile) == 7
        assert done == [0, 1]

    @pytest.mark.parametrize("error", [ValueError("x"), TimeoutError("the call's own")])
    def test_the_exception_of_a_future_is_raised(self, error, shutdown):
        future = Future()
        future.set_exception(error)
        with pytest.raises(type(error)) as caught:
            shutdown.result(future)
        assert caught.value is error

    def test_within_the_grace_period_a_result_is_returned(self, shutdown):
        self.ask_to_end(shutdown)
        self.now += GRACE_SECONDS
        future = Future()
        timer = threading.Timer(0.05, future.set_result, [7])
        timer.start()
        assert shutdown.result(future) == 7

    def test_after_the_grace_period_waiting_is_an_error(self, shutdown):
        self.ask_to_end(shutdown)
        self.now += GRACE_SECONDS + 0.1
        with pytest.raises(StoppedError, match="did not finish in time"):
            shutdown.result(Future())

    def test_after_the_grace_period_a_finished_future_returns(self, shutdown):
        self.ask_to_end(shutdown)
        self.now += 100
        future = Future()
        future.set_result(7)
        assert shutdown.result(future) == 7

    def test_the_exit_code_without_a_signal_is_1(self, shutdown):
        assert not shutdown.requested
        assert shutdown.exit_code == 1
        self.ask_to_end(shutdown)
        assert shutdown.exit_code == 143

    def test_the_grace_period_starts_with_the_signal(self, shutdown, alarms):
        self.ask_to_end(shutdown)
        self.now += GRACE_SECONDS
        shutdown.raise_if_out_of_time()
        self.now += 0.1
        with pytest.raises(StoppedError, match="did not finish in time"):
            shutdown.raise_if_out_of_time()
        assert alarms == [GRACE_SECONDS + 2] == [12]


@pytest.mark.parametrize("error", ["ValueError('closed')", "BrokenPipeError()"])
@pytest.mark.parametrize(("end", "code"), [("pass", 0), ("signal_self()", 143)])
def test_a_closed_stderr_does_not_change_the_exit_code(error, end, code):
    main = f"""
        class Gone:
            def flush(self):
                raise {error}

        def main():
            sys.stderr = Gone()
            {end}

        run(main)
    """
    assert ended(main) == (code, "", "")
