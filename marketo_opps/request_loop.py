"""How a call is made: signed, paced, counted, and made again as long as that can help."""

from __future__ import annotations

import logging
import threading
import typing as t
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus

import backoff

from marketo_opps.auth import (
    LONGEST_WAIT_FOR_EXPIRY_SECONDS,
    Token,
    TokenKeeper,
    read_token,
    token_path,
)
from marketo_opps.envelope import read_answer
from marketo_opps.errors import MarketoError, Recovery
from marketo_opps.models import CallCounts
from marketo_opps.pacing import Pacer
from marketo_opps.quota import DailyCallLimit
from marketo_opps.retry import concerns_all, delay_seconds
from marketo_opps.transport import Transport
from marketo_opps.wire import encode_query

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import requests

    from marketo_opps.envelope import Envelope
    from marketo_opps.pacing import Nap
    from marketo_opps.settings import ConnectionSettings
    from marketo_opps.transport import Answer

_LOGGER = logging.getLogger(__name__)

# Adobe, "Error Codes", 414: a URI over 8 KB is refused, so a long read goes as a form. From here
# on it does, since a URI is checked by the character on its way out, and 300 ids that way cost
# more than all else in a call.
_LONGEST_QUERY_BYTES = 1_000
# Adobe's server-side timeout of calls that document no other.
_SERVER_TIMEOUT_SECONDS = 30.0
_FORM = "application/x-www-form-urlencoded"

_T = t.TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Call:
    """One call to REST, as it is to be sent; `path` is below `/rest`."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    content_type: str | None = None
    server_timeout_seconds: float = _SERVER_TIMEOUT_SECONDS
    permission: str | None = None
    heeds_daily_limit: bool = True

    @property
    def name(self) -> str:
        """What error texts and log lines call it: no query, which holds customers' keys."""
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str:
        """Path and query from the root of the host."""
        return f"/rest{self.path}" + (f"?{encode_query(self.query)}" if self.query else "")

    @property
    def headers(self) -> dict[str, str]:
        """Headers besides those of every call."""
        return {"Content-Type": self.content_type} if self.content_type else {}

    def as_post_if_long(self) -> Call:
        """The same read as a form, where its URI would be long; Marketo takes 8 KB at the most."""
        form = encode_query(self.query)
        if len(form) <= _LONGEST_QUERY_BYTES:
            return self
        return replace(
            self,
            method="POST",
            query=(("_method", "GET"),),
            body=form.encode("ascii"),
            content_type=_FORM,
        )


class Progress:
    """What has become of one call so far, over all its attempts.

    Attributes:
        ambiguous: an attempt was sent and may have been executed, though it was not answered so.
        first_sent_at: when the first attempt was sent, by Marketo's clock.
    """

    def __init__(self) -> None:
        self.ambiguous = False
        self.first_sent_at: datetime | None = None
        self.sent = False
        self.turn: int | None = None
        self.is_asking = False
        self.token: Token | None = None
        self.refused_token: Token | None = None
        self.failures: Counter[Recovery] = Counter()
        self.first_failed_at = 0.0
        self.delay_seconds: float | None = None


class Caller:
    """Makes calls to one instance, from any thread, within our share of its limits."""

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        clock: Callable[[], float],
        nap: Nap,
        fraction: Callable[[], float],
        session: requests.Session | None = None,
    ) -> None:
        """Get ready; nothing is sent yet. The arguments are those of `MarketoClient`."""
        self._settings = settings
        self._clock = clock
        self._fraction = fraction
        self._transport = Transport(settings, session=session, clock=clock)
        self._pacer = Pacer(
            settings.calls_per_20_seconds, settings.max_concurrent_calls, clock=clock, nap=nap
        )
        self._tokens = TokenKeeper(
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
        self._heard: tuple[datetime, float] | None = None

    @property
    def counts(self) -> CallCounts:
        """Calls, retries and token fetches so far."""
        return self._counts

    def server_now(self) -> datetime:
        """Now, by Marketo's own clock; a token is fetched where there was no answer yet."""
        if self._heard is None:
            self._repeat(self._tokens.token, Progress())
        assert self._heard is not None
        server_time, heard_at = self._heard
        return server_time + timedelta(seconds=self._clock() - heard_at)

    def calls_today(self) -> int:
        """Calls that the instance has counted today, by all who use it; may lag."""
        usage = self.make(Call("GET", "/v1/stats/usage.json", heeds_daily_limit=False))
        return sum(int(day.get("total") or 0) for day in usage.result)

    def stop(self) -> None:
        """No new calls and no more retries; only sets a flag."""
        self._pacer.stop()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def make(self, call: Call, progress: Progress | None = None) -> Envelope:
        """Make a call, and make it again as long as `retry` says so.

        Args:
            call: what to send.
            progress: told what becomes of it, for callers who need to know.

        Raises:
            MarketoError: the last attempt's.
        """
        progress = progress or Progress()
        return self._repeat(lambda: self._attempt(call, progress), progress)

    def _repeat(self, attempt: Callable[[], _T], progress: Progress) -> _T:
        def try_once() -> _T:
            try:
                return attempt()
            except MarketoError as error:
                self._note_failure(error, progress)
                raise
            finally:
                if progress.turn is not None:
                    self._pacer.settled(progress.turn)

        repeated = backoff.on_exception(
            backoff.constant,
            MarketoError,
            interval=0,  # the wait is `_wait`'s: backoff's own, time.sleep, could not be stopped
            jitter=None,
            giveup=lambda _: progress.delay_seconds is None,
            on_backoff=lambda tried: self._wait(tried["exception"], progress),
            logger=None,
        )(try_once)
        return repeated()

    def _attempt(self, call: Call, progress: Progress) -> Envelope:
        progress.sent, progress.turn = False, None
        # Not even a token is fetched after a request to stop.
        self._pacer.sleep(0)
        token = self._sign(progress)
        if self._daily_limit:
            # It asks for the day's calls by a call of its own, which has its own retries.
            progress.is_asking = True
            self._daily_limit.take(heeds=call.heeds_daily_limit)
            progress.is_asking = False
        with self._pacer.slot() as progress.turn:
            answer = self._exchange(call, token, progress)
        envelope = read_answer(call.name, answer, permission=call.permission)
        for warning in envelope.warnings:
            _LOGGER.warning("Marketo warns about %s: %s", call.name, warning)
        return envelope

    def _sign(self, progress: Progress) -> Token:
        if progress.refused_token:
            self._tokens.renew(progress.refused_token)
            progress.refused_token = None
        progress.token = self._tokens.token()
        return progress.token

    def _exchange(self, call: Call, token: Token, progress: Progress) -> Answer:
        self._count(calls=1, retries=int(progress.first_sent_at is not None))
        progress.sent = True
        progress.first_sent_at = progress.first_sent_at or self.server_now()
        sent_at = self._clock()
        answer = self._transport.send(
            call.method,
            call.target,
            body=call.body,
            headers={**call.headers, "Authorization": f"Bearer {token.value}"},
            server_timeout_seconds=call.server_timeout_seconds,
        )
        self._hear(answer)
        milliseconds = 1000 * (self._clock() - sent_at)
        _LOGGER.debug("%s: HTTP %d in %.0f ms", call.name, answer.status, milliseconds)
        return answer

    def _note_failure(self, error: MarketoError, progress: Progress) -> None:
        if progress.is_asking:
            progress.delay_seconds = None
            return
        now = self._clock()
        if not progress.failures[Recovery.RETRY]:
            # Waiting for another token takes nothing of the time for what is transient.
            progress.first_failed_at = now
        progress.failures[error.recovery] += 1
        progress.ambiguous |= progress.sent and error.ambiguous
        error.open_since = progress.first_sent_at if progress.ambiguous else None
        if error.recovery is Recovery.REAUTHENTICATE:
            progress.refused_token = progress.token
        progress.delay_seconds = delay_seconds(
            error,
            failures=progress.failures[error.recovery],
            seconds_retrying=now - progress.first_failed_at,
            max_retry_seconds=self._settings.max_retry_seconds,
            fraction=self._fraction(),
        )
        if concerns_all(error):
            self._pacer.pause(progress.delay_seconds or 0.0)

    def _wait(self, error: MarketoError, progress: Progress) -> None:
        seconds = progress.delay_seconds or 0.0
        if error.recovery is Recovery.REAUTHENTICATE:
            _LOGGER.info("%s Fetching a new token.", error.summary)
        else:
            _LOGGER.warning("%s Trying again in %.1f s.", error.summary, seconds)
        # A pause of all threads is waited for with them, at the next attempt.
        if not concerns_all(error):
            self._pacer.sleep(seconds)

    def _fetch_token(self) -> Token:
        settings = self._settings
        self._count(token_fetches=1)
        sent_at = self._clock()
        answer = self._transport.send(
            "POST",
            token_path(settings.client_id, settings.client_secret),
            server_timeout_seconds=_SERVER_TIMEOUT_SECONDS,
        )
        self._hear(answer)
        return read_token(answer, now=sent_at)

    def _hear(self, answer: Answer) -> None:
        # What is no answer of Marketo's, a balancer's or a proxy's, goes by another clock.
        if self._heard is None or answer.status == HTTPStatus.OK:
            self._heard = (answer.server_time, self._clock())

    def _count(self, *, calls: int = 0, retries: int = 0, token_fetches: int = 0) -> None:
        with self._counts_lock:
            self._counts = CallCounts(
                calls=self._counts.calls + calls,
                retries=self._counts.retries + retries,
                token_fetches=self._counts.token_fetches + token_fetches,
            )
