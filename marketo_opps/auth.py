"""The access token: fetched once for all threads, and anew when it ends or is refused."""

from __future__ import annotations

import logging
import threading
import typing as t
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from marketo_opps.errors import (
    ConnectionLostError,
    CredentialsError,
    ServerError,
    UnexpectedResponseError,
)
from marketo_opps.redaction import REDACTOR
from marketo_opps.wire import decode_response

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketo_opps.transport import HttpResponse

_LOGGER = logging.getLogger(__name__)

LONGEST_WAIT_FOR_EXPIRY_SECONDS = 60.0
# Identity may hand out a token in its last second: one call is tried with it all the same.
_SHORTEST_LIFE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """An access token, and the monotonic moment at which it ends.

    Tokens are compared by identity, not by value: the same value fetched again is a new try.
    """

    value: str
    expires_at: float


class TokenCache:
    """Keeps the one token that all threads share.

    Renewing early is pointless: until a token ends, identity answers with the same one.

    Args:
        fetch: asks identity.
        clock: monotonic seconds, the same that `Token.expires_at` is in.
        sleep: waits for so many seconds.
        longest_wait_seconds: for the end of a token that was refused and handed out again.
    """

    def __init__(
        self,
        fetch: Callable[[], Token],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        longest_wait_seconds: float = LONGEST_WAIT_FOR_EXPIRY_SECONDS,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._sleep = sleep
        self._longest_wait_seconds = longest_wait_seconds
        self._lock = threading.Lock()
        self._token: Token | None = None

    def token(self) -> Token:
        """Return the current token; fetch one if there is none or it has ended."""
        with self._lock:
            if self._token is None or self._clock() >= self._token.expires_at:
                self._token = self._fetch()
            return self._token

    def renew(self, refused: Token) -> None:
        """Get another token than the one just refused with 601 or 602.

        Another thread may have done so already. Where identity hands back the very value
        that was refused, wait for what is left of its life: it cannot give another before that.
        """
        with self._lock:
            if self._token is not refused:
                return
            fetched = self._fetch()
            if fetched.value == refused.value:
                self._await_end(fetched)
                fetched = self._fetch()
            self._token = fetched

    def _await_end(self, token: Token) -> None:
        left = max(token.expires_at - self._clock(), 0.0)
        seconds = min(left, self._longest_wait_seconds)
        _LOGGER.warning(
            "Marketo refused the access token, and its identity service hands out the same one "
            "again. Waiting %.0f s for it to end.",
            seconds,
        )
        self._sleep(seconds)


def token_path(client_id: str, client_secret: str) -> str:
    """Return path and query of the request for a token."""
    query = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
    }
    return f"/identity/oauth/token?{urlencode(query)}"


def read_token(response: HttpResponse, *, now: float) -> Token:
    """Return the token in a response of the identity service.

    Args:
        response: the whole HTTP response.
        now: monotonic seconds at which the request was sent.

    Raises:
        CredentialsError: identity refused `client_id` or `client_secret`.
        ServerError: an HTTP 5xx.
        ConnectionLostError: it breaks off.
        UnexpectedResponseError: it holds neither a token nor an error.
    """
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServerError(f"Marketo's identity service answered HTTP {response.status}.")
    members = _members(response)
    value = members.get("access_token")
    if response.status == HTTPStatus.OK and isinstance(value, str):
        REDACTOR.protect(value)
        return Token(value, now + max(_life_seconds(members), _SHORTEST_LIFE_SECONDS))
    if "error" in members:
        said = f"{members['error']}: {members.get('error_description', 'no description')}"
        raise CredentialsError(
            f"Marketo's identity service refused the credentials (HTTP {response.status}, "
            f"{REDACTOR.redact(said)}): check client_id and client_secret against "
            "Admin > LaunchPoint > View Details of the custom service."
        )
    raise UnexpectedResponseError(
        f"Marketo's identity service answered HTTP {response.status} with neither token nor error: "
        "check that 'endpoint' is the instance's own address and that no proxy stands between."
    )


def _life_seconds(members: Mapping[str, t.Any]) -> float:
    try:
        return float(members["expires_in"])
    except (KeyError, TypeError, ValueError):
        return 0.0


def _members(response: HttpResponse) -> dict[str, t.Any]:
    try:
        members = decode_response(response.body)
    except ValueError:
        if response.status == HTTPStatus.OK and response.body.strip()[:1] in {b"", b"{"}:
            raise ConnectionLostError(
                f"The answer of Marketo's identity service breaks off after {len(response.body)} "
                "bytes."
            ) from None
        members = None
    return members if isinstance(members, dict) else {}
