"""One call to the REST API: what is sent, and the history of its attempts."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, replace

from marketo_opps.wire import encode_query

if t.TYPE_CHECKING:
    from datetime import datetime

    from marketo_opps.auth import Token
    from marketo_opps.errors import Recovery
    from marketo_opps.pacing import Turn

# Adobe, "Error Codes", 414: a URI over 8 KB is refused, so a long read is sent as a form. The limit
# is far lower because libraries check a URI character by character: with 300 ids in it, that would
# be the most expensive part of a call.
_LONGEST_QUERY_BYTES = 1_000
# Adobe's server-side timeout for calls without a documented one.
SERVER_TIMEOUT_SECONDS = 30.0
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to Marketo's REST API, complete but for the access token.

    Attributes:
        path: path of the URL after `/rest`.
        permissions: permissions any of which allows the call; for error texts.
        writes: True if the call changes records.
        subject_to_daily_limit: False if it is made even after `daily_call_limit` is reached.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    content_type: str | None = None
    server_timeout_seconds: float = SERVER_TIMEOUT_SECONDS
    permissions: tuple[str, ...] = ()
    writes: bool = False
    subject_to_daily_limit: bool = True

    @property
    def name(self) -> str:
        """Return the name of the call for error texts and log lines.

        The name has no parameters, which may hold customers' keys. It begins with the kind of
        call, such as `query`, because a query that is sent as POST has the path of a sync.
        """
        return f"{self._kind} {self.method} {self.path}"

    @property
    def _kind(self) -> str:
        if not self.writes:
            return "query"
        return "delete" if self.path.endswith("/delete.json") else "sync"

    @property
    def target(self) -> str:
        """Return the URL without scheme and host: `/rest`, the path and the query string."""
        return f"/rest{self.path}" + (f"?{encode_query(self.query)}" if self.query else "")

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that only this call needs: `Content-Type` if it has a body."""
        return {"Content-Type": self.content_type} if self.content_type else {}

    def as_post_if_long(self) -> Call:
        """Return this query as a POST with a form body if its URI is too long; else unchanged."""
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


class CallAttempts:
    """History of one call to the REST API: its first attempt and all retries.

    Attributes:
        ambiguous: True if Marketo may have executed an attempt that failed, for example because its
            response was lost.
        first_sent_at: when the first attempt was sent, by Marketo's clock.
    """

    def __init__(self) -> None:
        self.ambiguous = False
        self.first_sent_at: datetime | None = None
        self.sent = False
        self.turn: Turn | None = None
        self.is_querying_usage = False
        self.token: Token | None = None
        self.refused_token: Token | None = None
        self.failures: Counter[Recovery] = Counter()
        self.first_failed_at = 0.0
        self.delay_seconds: float | None = None
