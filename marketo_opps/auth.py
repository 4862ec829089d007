"""The access token: fetched once for all threads, and renewed when it expires or is refused."""

from __future__ import annotations

import logging
import re
import threading
import typing as t
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from marketo_opps.envelope import is_envelope, refusal_error, transient_error_class
from marketo_opps.errors import (
    ConnectionLostError,
    CredentialsError,
    ServerError,
    UnexpectedResponseError,
)
from marketo_opps.field_types import exact_number
from marketo_opps.redaction import REDACTOR
from marketo_opps.wire import JsonTooLargeError, decode_response

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketo_opps.errors import MarketoError
    from marketo_opps.transport import HttpResponse

_LOGGER = logging.getLogger(__name__)

LONGEST_WAIT_FOR_EXPIRY_SECONDS = 60.0
_CALL = "POST /identity/oauth/token"
_SENDABLE = re.compile(r"[!-~]+")
_QUOTED_CHARACTERS = 200
# Statuses with which OAuth 2.0 servers refuse credentials; some send 200.
_STATUSES_OF_REFUSAL = frozenset({200, 400, 401, 403})
# RFC 6749, "Error Response": these do not mean that the credentials are wrong.
_TRANSIENT_ERRORS = ("server_error", "temporarily_unavailable")
# Identity may issue a token in its last second; one call is still tried with it.
_SHORTEST_LIFE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """An access token of Marketo, and the time in monotonic seconds at which it expires.

    Two `Token` objects are never equal, even with the same value: Marketo's identity service may
    issue the same value again, and the response counts as another token.
    """

    value: str
    expires_at: float


class TokenCache:
    """Cache of the one access token that all threads of a client share.

    No token is renewed early: until a token expires, Marketo's identity service issues the same
    one.

    Args:
        fetch: requests a token from the identity service.
        clock: returns monotonic seconds, on the clock that `Token.expires_at` uses.
        sleep: waits for the given number of seconds.
        longest_wait_seconds: maximum wait for the expiry of a token that was refused and issued
            again.
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
        """Return the cached access token; fetch one first if none is cached or it has expired."""
        with self._lock:
            if self._token is None or self._clock() >= self._token.expires_at:
                self._token = self._fetch()
            return self._token

    def renew(self, refused: Token) -> None:
        """Replace the cached access token, which the REST API has refused with 601 or 602.

        Do nothing if another thread has replaced it already. If the identity service issues the
        refused value again, wait until that value expires: no other token is issued before.

        Args:
            refused: the token with which the refused call was made.
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
            "Marketo refused the access token, and its identity service returned the same token "
            "again. Waiting %.0f s for it to expire.",
            seconds,
        )
        self._sleep(seconds)


def token_path(client_id: str, client_secret: str) -> str:
    """Return path and query string of the request for an access token."""
    query = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
    }
    return f"/identity/oauth/token?{urlencode(query)}"


def read_token(response: HttpResponse, *, now: float) -> Token:
    """Return the access token in a response of the identity service.

    Args:
        response: the whole HTTP response.
        now: monotonic seconds at which the request was sent.

    Raises:
        CredentialsError: identity refused `client_id` or `client_secret`.
        ResponseError: the body is Marketo's envelope with an error; the subclass decides the
            recovery.
        ServerError: the HTTP status is transient.
        ConnectionLostError: the body is incomplete.
        UnexpectedResponseError: the body has neither an error nor a token that a header can
            hold.
    """
    members = _members(response)
    value = members.get("access_token")
    if response.status == HTTPStatus.OK and isinstance(value, str) and value:
        return _token(value, now + _life_seconds(members))
    error = _error(response, members)
    error.retry_after_seconds = response.retry_after_seconds
    raise error


def _token(value: str, expires_at: float) -> Token:
    REDACTOR.protect(value)
    if not _SENDABLE.fullmatch(value):
        raise UnexpectedResponseError(
            "Marketo's identity service returned a token that is not valid in an HTTP header: "
            "check that 'endpoint' is the instance's own address and that no proxy responds "
            "instead."
        )
    return Token(value, expires_at)


def _error(response: HttpResponse, members: Mapping[str, t.Any]) -> MarketoError:
    if is_envelope(members):
        return refusal_error(_CALL, response, members)
    refusal = _refusal_text(members)
    status = f"HTTP {response.status}{f' ({refusal})' if refusal else ''}"
    transient = transient_error_class(response.status)
    if transient or members.get("error") in _TRANSIENT_ERRORS:
        return (transient or ServerError)(f"Marketo's identity service returned {status}.")
    if refusal and response.status in _STATUSES_OF_REFUSAL:
        return CredentialsError(
            f"Marketo's identity service refused the credentials (HTTP {response.status}, "
            f"{refusal}): check client_id and client_secret against "
            "Admin > LaunchPoint > View Details of the custom service."
        )
    return UnexpectedResponseError(
        f"Marketo's identity service returned {status} with neither a token nor an error: "
        "check that 'endpoint' is the instance's own address and that no proxy responds instead."
    )


def _refusal_text(members: Mapping[str, t.Any]) -> str:
    """Return the identity service's error in one short line; empty if the body has no error."""
    if not members.get("error"):
        return ""
    words = f"{members['error']}: {members.get('error_description') or 'no description'}"
    return REDACTOR.redact(" ".join(words.split()))[:_QUOTED_CHARACTERS]


def _life_seconds(members: Mapping[str, t.Any]) -> float:
    try:
        life = float(exact_number(members["expires_in"]))
    except (KeyError, ValueError):
        return _SHORTEST_LIFE_SECONDS
    return max(life, _SHORTEST_LIFE_SECONDS)


def _members(response: HttpResponse) -> dict[str, t.Any]:
    try:
        members = decode_response(response.body)
    except ValueError as error:
        is_cut = not isinstance(error, JsonTooLargeError)
        if is_cut and response.status == HTTPStatus.OK and response.body.strip()[:1] in {b"", b"{"}:
            raise ConnectionLostError(
                "The response of Marketo's identity service is incomplete: it ends after "
                f"{len(response.body)} bytes."
            ) from None
        members = None
    return members if isinstance(members, dict) else {}
