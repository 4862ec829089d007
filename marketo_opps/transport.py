"""Sends HTTP requests with `requests`, one request and response at a time."""

from __future__ import annotations

import ssl
import typing as t
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import requests
import urllib3
from requests.utils import select_proxy

from marketo_opps.connection_errors import connection_error, unreachable_error
from marketo_opps.errors import ConnectionLostError, MarketoError, SettingsError
from marketo_opps.http_headers import moment, retry_after_seconds
from marketo_opps.proxies import usable_proxy
from marketo_opps.server_clock import local_now
from marketo_opps.watchdog import Watchdog, WatchedAdapter

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from marketo_opps.settings import ConnectionSettings
    from marketo_opps.watchdog import Attempt

CONNECT_TIMEOUT_SECONDS = 10.0
# Marketo stops a call after the documented timeout. Waiting no longer than that would report some
# writes as failed that are executed at the last moment.
PATIENCE_SECONDS = 10.0
_CHUNK_BYTES = 1 << 16
# Marketo allows ten concurrent calls; one more connection may be fetching a token.
_MOST_CONNECTIONS = 11


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response: status, Marketo's `Date` in UTC, and the whole body, decompressed.

    `server_time` is None if there is no readable `Date`. `retry_after_seconds` is the shortest
    wait before a retry that the response asks for.
    """

    status: int
    server_time: datetime | None
    body: bytes
    content_type: str
    retry_after_seconds: float | None = None


class Transport:
    """Sends requests to one instance; thread-safe, keeps connections alive.

    Args:
        settings: the instance, and the User-Agent.
        session: a session of `requests` to use instead of a new one.
        connect_timeout_seconds: how long to wait for a connection.
        patience_seconds: how much longer than Marketo's own timeout to wait for a response.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        session: requests.Session | None = None,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._base = settings.endpoint
        self._connect_timeout_seconds = connect_timeout_seconds
        self._patience_seconds = patience_seconds
        self._watchdog = Watchdog()
        self._session = session or requests.Session()
        if session is None:
            self._session.mount(self._base, WatchedAdapter(pool_maxsize=_MOST_CONNECTIONS))
        _read_environment_once(self._session, settings)
        self._session.headers["User-Agent"] = settings.user_agent

    def send(
        self,
        method: str,
        path: str,
        *,
        server_timeout_seconds: float,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        on_sent: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """Send one request and return its whole response.

        Args:
            method: GET or POST.
            path: path and query string of the URL.
            server_timeout_seconds: Marketo's own timeout for the request, as documented.
            headers: headers in addition to the session's own.
            body: the encoded body.
            on_sent: called once the whole request has been given to the operating system.

        Raises:
            UnreachableError: nothing was sent.
            ConnectionLostError: the request may have been sent, but no whole response arrived.
            SettingsError: the host's certificate cannot be verified.
        """
        failure: MarketoError
        read_timeout_seconds = server_timeout_seconds + self._patience_seconds
        seconds = self._connect_timeout_seconds + read_timeout_seconds
        with self._watchdog.attempt(seconds, on_sent) as attempt:
            try:
                response = self._session.send(
                    self._prepared(method, path, headers or {}, body),
                    timeout=(self._connect_timeout_seconds, read_timeout_seconds),
                    allow_redirects=False,
                    stream=True,
                )
                with response:
                    read = _read(response)
                if not attempt.is_overdue:
                    return read
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                failure = connection_error(error, self._base, connected=attempt.connected)
        # Raised outside the handler: the caught exception quotes the URL with the secret, and must
        # not become the context of this one.
        raise self._too_slow(attempt) if attempt.is_overdue else failure

    def _too_slow(self, attempt: Attempt) -> MarketoError:
        if attempt.connected is False:
            return unreachable_error(self._base, "connection timed out")
        return ConnectionLostError(f"Timed out while reading the response from {self._base}.")

    def _prepared(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> requests.PreparedRequest:
        """Return a request that `requests` can send, made without the library's costly checks."""
        request = requests.PreparedRequest()
        request.method = method
        request.url = self._prepared_base + path
        request.prepare_headers({**self._session.headers, **headers})
        if method != "GET":
            request.headers["Content-Length"] = str(len(body or b""))
        request.body = body
        request.prepare_cookies(self._session.cookies)
        request.hooks = {"response": [_drop_location]}
        return request

    @cached_property
    def _prepared_base(self) -> str:
        """Return the endpoint's URL in the form that `requests` sends; compute it only once."""
        request = requests.PreparedRequest()
        request.prepare_url(self._base, None)
        assert request.url is not None
        return request.url.rstrip("/")

    def close(self) -> None:
        """Close all connections to the instance."""
        self._session.close()
        self._watchdog.close()


def _read(response: requests.Response) -> HttpResponse:
    # Not `iter_content`, which waits until a chunk is full, however slowly the bytes arrive.
    chunks = iter(lambda: response.raw.read1(_CHUNK_BYTES, decode_content=True), b"")
    body = b"".join(chunks)
    server_time = moment(response.headers.get("Date"))
    return HttpResponse(
        status=response.status_code,
        server_time=server_time,
        body=body,
        content_type=response.headers.get("Content-Type", ""),
        retry_after_seconds=retry_after_seconds(
            response.headers.get("Retry-After"), server_time or local_now()
        ),
    )


def _drop_location(response: requests.Response, **_more: t.Any) -> None:
    """Delete the `Location` header of a response, so that `requests` does not read it.

    Redirects are not followed.
    """
    response.headers.pop("Location", None)


def _read_environment_once(session: requests.Session, settings: ConnectionSettings) -> None:
    """Set the session's proxies and certificates from the environment, once for all calls.

    A loopback address is never called through a proxy. With `trust_env` off, a .netrc entry cannot
    replace the token.
    """
    merged = session.merge_environment_settings(settings.endpoint, {}, None, None, None)
    session.verify, session.cert = merged["verify"], merged["cert"]
    if isinstance(session.verify, str) and settings.endpoint.startswith("https:"):
        _check_certificates(session.verify)
    proxy = select_proxy(settings.endpoint, merged["proxies"])
    if proxy and not settings.is_loopback:
        session.proxies["https"] = usable_proxy(proxy, settings.endpoint)
    session.trust_env = False


def _check_certificates(path: str) -> None:
    """Raise an error if a CA bundle, or a directory of certificates, cannot be loaded.

    Raises:
        SettingsError: it cannot be loaded.
    """
    kind = "capath" if Path(path).is_dir() else "cafile"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**{kind: path})
    except OSError as error:
        reason = "it contains none" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(
            f"The certificates in {path} cannot be read ({reason}): correct REQUESTS_CA_BUNDLE in "
            "the environment."
        ) from None
