"""One call to REST: what is sent, and what has become of it."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, replace

from marketo_opps.wire import encode_query

if t.TYPE_CHECKING:
    from datetime import datetime

    from marketo_opps.auth import Token
    from marketo_opps.errors import Recovery

# Adobe, "Error Codes", 414: a URI over 8 KB is refused, so a long read goes as a form. From here
# on it does, since a URI is checked by the character on its way out, and 300 ids that way cost
# more than all else in a call.
_LONGEST_QUERY_BYTES = 1_000
# Adobe's server-side timeout of calls that document no other.
SERVER_TIMEOUT_SECONDS = 30.0
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Call:
    """One call to REST, as it is to be sent; `path` is below `/rest`."""

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
        """Its name in error texts and log lines: no parameters, which hold customers' keys.

        A query that goes as POST has the path of a sync, so each says what it is.
        """
        return f"{self._kind} {self.method} {self.path}"

    @property
    def _kind(self) -> str:
        if not self.writes:
            return "query"
        return "delete" if self.path.endswith("/delete.json") else "sync"

    @property
    def target(self) -> str:
        """Path and query from the root of the host."""
        return f"/rest{self.path}" + (f"?{encode_query(self.query)}" if self.query else "")

    @property
    def headers(self) -> dict[str, str]:
        """Headers besides those of every call."""
        return {"Content-Type": self.content_type} if self.content_type else {}

    def as_post_if_long(self) -> Call:
        """Return the read as a POST of a form if its URI would be long, else itself."""
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
    """The history of one call, over all its attempts.

    Attributes:
        ambiguous: an attempt was sent and may have been executed, without a response that says so.
        first_sent_at: when the first attempt was sent, by Marketo's clock.
    """

    def __init__(self) -> None:
        self.ambiguous = False
        self.first_sent_at: datetime | None = None
        self.sent = False
        self.turn: int | None = None
        self.is_querying_usage = False
        self.token: Token | None = None
        self.refused_token: Token | None = None
        self.failures: Counter[Recovery] = Counter()
        self.first_failed_at = 0.0
        self.delay_seconds: float | None = None
