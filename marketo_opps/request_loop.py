"""Sends calls: with a token, within the limits, counted, and with retries."""

from __future__ import annotations

import logging
import threading
import typing as t
from dataclasses import replace

import backoff

from marketo_opps.auth import (
    LONGEST_WAIT_FOR_EXPIRY_SECONDS,
    Token,
    TokenCache,
    read_token,
    token_path,
)
from marketo_opps.call import SERVER_TIMEOUT_SECONDS, Call, CallAttempts
from marketo_opps.envelope import read_response
from marketo_opps.errors import MarketoError, Recovery, unexpected_response
from marketo_opps.field_types import whole_number
from marketo_opps.models import CallCounts
from marketo_opps.pacing import PACING_WINDOW_SECONDS, Pacer
from marketo_opps.quota import DailyCallLimit
from marketo_opps.retry import delay_seconds, pauses_all_threads
from marketo_opps.server_clock import ServerClock, local_now
from marketo_opps.shared_limits import open_shared_limits
from marketo_opps.transport import Transport

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import requests

    from marketo_opps.envelope import Envelope
    from marketo_opps.pacing import Nap, Turn
    from marketo_opps.settings import ConnectionSettings
    from marketo_opps.transport import HttpResponse

_LOGGER = logging.getLogger(__name__)
_T = t.TypeVar("_T")

# Most transient errors are over by then, and need no warning.
_FAILURES_WORTH_A_WARNING = 3


class RequestLoop:
    """Makes calls to one instance, from any thread, within this client's share of the limits.

    Args:
        settings: the instance, the credentials, and this client's share of the limits.
        clock: returns monotonic seconds.
        nap: waits on a condition, at most for the given seconds.
        fraction: returns random numbers from 0 to 1, for jitter.
        local_now: returns the current time by this machine's clock.
        session: a session of `requests` to use instead of a new one.
        writes: True for a client that writes; it decides which advice error texts give.
        pacing_window_seconds: window in which `calls_per_20_seconds` are counted.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        clock: Callable[[], float],
        nap: Nap,
        fraction: Callable[[], float],
        local_now: Callable[[], datetime] = local_now,
        session: requests.Session | None = None,
        writes: bool = False,
        pacing_window_seconds: float = PACING_WINDOW_SECONDS,
    ) -> None:
        self._settings = settings
        self._writes = writes
        self._clock = clock
        self._fraction = fraction
        self._transport = Transport(settings, session=session)
        self._pacer = Pacer(
            settings.calls_per_20_seconds,
            settings.max_concurrent_calls,
            window_seconds=pacing_window_seconds,
            clock=clock,
            nap=nap,
            shared=open_shared_limits(settings, pacing_window_seconds, clock),
        )
        self._tokens = TokenCache(
            self._fetch_token,
            clock=clock,
            sleep=self._pacer.sleep,
            longest_wait_seconds=min(LONGEST_WAIT_FOR_EXPIRY_SECONDS, settings.max_retry_seconds),
        )
        self._daily_limit = (
            DailyCallLimit(settings.daily_call_limit, ask=self.calls_today, clock=clock)
            if settings.daily_call_limit
            else None
        )
        self._counts = CallCounts()
        self._counts_lock = threading.Lock()
        self._server_clock = ServerClock(clock, local_now)

    @property
    def counts(self) -> CallCounts:
        """Return how many API calls and retries were made so far, and how long threads waited."""
        return replace(self._counts, seconds_waited_for_limits=self._pacer.seconds_waited)

    def server_now(self) -> datetime:
        """Return the current time by Marketo's clock; fetch a token if no response has told it."""
        return self._clock_of_server().now()

    def earliest_now(self) -> datetime:
        """Return the earliest current time by any `Date` header; fetch a token if none was read."""
        return self._clock_of_server().earliest_now()

    def _clock_of_server(self) -> ServerClock:
        if not self._server_clock.is_known:
            self._repeat(self._tokens.token, CallAttempts())
        return self._server_clock

    def calls_today(self) -> int:
        """Return today's number of calls by all API clients of the instance; it may be outdated."""
        call = Call("GET", "/v1/stats/usage.json", subject_to_daily_limit=False)
        usage = self.make(call)
        try:
            return sum(whole_number(day.get("total") or 0) for day in usage.result)
        except (AttributeError, TypeError, ValueError):
            what = "a total of calls that is not a number"
            raise unexpected_response(call.name, usage.request_id, what) from None

    def stop(self) -> None:
        """Refuse new calls and retries; this only sets a flag, so a signal handler may do it."""
        self._pacer.stop()

    def close(self) -> None:
        """Close all connections, and delete this process from the file at `limits_path`, if any."""
        self._transport.close()
        self._pacer.close()

    def make(self, call: Call, attempts: CallAttempts | None = None) -> Envelope:
        """Send a call, retry it after temporary failures, and return the response's envelope.

        Args:
            call: the call to send.
            attempts: object in which to record the history of the attempts; optional.

        Raises:
            MarketoError: the error of the last attempt.
        """
        attempts = attempts or CallAttempts()
        return self._repeat(lambda: self._attempt(call, attempts), attempts)

    def _repeat(self, attempt: Callable[[], _T], attempts: CallAttempts) -> _T:
        def try_once() -> _T:
            try:
                return attempt()
            except MarketoError as error:
                self._note_failure(error, attempts)
                raise
            finally:
                if attempts.turn is not None:
                    self._pacer.report_outcome(attempts.turn)

        repeated = backoff.on_exception(
            backoff.constant,
            MarketoError,
            interval=0,  # `_wait` waits instead, because `stop` could not end backoff's time.sleep
            jitter=None,
            giveup=lambda _: attempts.delay_seconds is None,
            on_backoff=lambda tried: self._wait(tried["exception"], attempts),
            logger=None,
        )(try_once)
        return repeated()

    def _attempt(self, call: Call, attempts: CallAttempts) -> Envelope:
        attempts.sent, attempts.turn = False, None
        # After `stop`, not even a token is fetched.
        self._pacer.sleep(0)
        token = self._sign(attempts)
        if self._daily_limit:
            # The usage request retries on its own.
            attempts.is_querying_usage = True
            self._daily_limit.take(subject_to_limit=call.subject_to_daily_limit)
            attempts.is_querying_usage = False
        with self._pacer.slot() as attempts.turn:
            response = self._exchange(call, token, attempts, attempts.turn)
        envelope = read_response(
            call.name,
            response,
            permissions=call.permissions,
            writing=self._writes or call.writes,
        )
        for warning in envelope.warnings:
            _LOGGER.warning("Marketo warns about %s: %s", call.name, warning)
        return envelope

    def _sign(self, attempts: CallAttempts) -> Token:
        if attempts.refused_token:
            self._tokens.renew(attempts.refused_token)
            attempts.refused_token = None
        attempts.token = self._tokens.token()
        return attempts.token

    def _exchange(
        self, call: Call, token: Token, attempts: CallAttempts, turn: Turn
    ) -> HttpResponse:
        self._count(is_retry=attempts.first_sent_at is not None)
        attempts.sent = True
        attempts.first_sent_at = attempts.first_sent_at or self._server_clock.now()
        sent_at = self._clock()
        response = self._transport.send(
            call.method,
            call.target,
            body=call.body,
            headers={**call.headers, "Authorization": f"Bearer {token.value}"},
            server_timeout_seconds=call.server_timeout_seconds,
            on_sent=lambda: self._pacer.note_sent(turn),
        )
        self._server_clock.sync(response.server_time, response.status)
        milliseconds = 1000 * (self._clock() - sent_at)
        _LOGGER.debug("%s: HTTP %d in %.0f ms", call.name, response.status, milliseconds)
        return response

    def _note_failure(self, error: MarketoError, attempts: CallAttempts) -> None:
        if attempts.is_querying_usage:
            attempts.delay_seconds = None
            return
        now = self._clock()
        if not attempts.failures[Recovery.RETRY]:
            # Waiting for another token does not count as retrying transient errors.
            attempts.first_failed_at = now
        attempts.failures[error.recovery] += 1
        attempts.ambiguous |= attempts.sent and error.ambiguous
        error.possibly_applied_since = attempts.first_sent_at if attempts.ambiguous else None
        if error.recovery is Recovery.REAUTHENTICATE:
            attempts.refused_token = attempts.token
        attempts.delay_seconds = delay_seconds(
            error,
            failures=attempts.failures[error.recovery],
            seconds_retrying=now - attempts.first_failed_at,
            max_retry_seconds=self._settings.max_retry_seconds,
            fraction=self._fraction(),
        )
        if _pauses_all_threads(error, attempts):
            self._pacer.pause(attempts.delay_seconds or 0.0)

    def _wait(self, error: MarketoError, attempts: CallAttempts) -> None:
        seconds = attempts.delay_seconds or 0.0
        self._count_wait(seconds)
        if error.recovery is Recovery.REAUTHENTICATE:
            _LOGGER.info("%s Fetching a new token.", error.summary)
        else:
            self._log_retry(error, attempts)
        # The next attempt waits for a pause of all threads.
        if not _pauses_all_threads(error, attempts):
            self._pacer.sleep(seconds)

    def _log_retry(self, error: MarketoError, attempts: CallAttempts) -> None:
        failures = attempts.failures[Recovery.RETRY]
        left = attempts.first_failed_at + self._settings.max_retry_seconds - self._clock()
        _LOGGER.log(
            logging.INFO if failures < _FAILURES_WORTH_A_WARNING else logging.WARNING,
            "%s Trying again in %.1f s (attempt %d, giving up in %.0f s).",
            error.summary,
            attempts.delay_seconds or 0.0,
            failures + 1,
            left,
        )

    def _fetch_token(self) -> Token:
        settings = self._settings
        sent_at = self._clock()
        response = self._transport.send(
            "POST",
            token_path(settings.client_id, settings.client_secret),
            server_timeout_seconds=SERVER_TIMEOUT_SECONDS,
        )
        self._server_clock.sync(response.server_time, response.status)
        return read_token(response, now=sent_at)

    def _count(self, *, is_retry: bool) -> None:
        with self._counts_lock:
            counts = self._counts
            self._counts = replace(
                counts, calls=counts.calls + 1, retries=counts.retries + int(is_retry)
            )

    def _count_wait(self, seconds: float) -> None:
        with self._counts_lock:
            waited = self._counts.seconds_waited_to_retry + seconds
            self._counts = replace(self._counts, seconds_waited_to_retry=waited)


def _pauses_all_threads(error: MarketoError, attempts: CallAttempts) -> bool:
    """Return whether all threads must wait after an error; False if the call was never sent."""
    return attempts.sent and pauses_all_threads(error)
