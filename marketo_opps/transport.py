"""One HTTP exchange over `requests`, and the error that stands for each way it can be cut short."""

from __future__ import annotations

import ssl
import time
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import requests
import urllib3
from requests.adapters import HTTPAdapter

from marketo_opps.errors import ConnectionLostError, MarketoError, SettingsError, UnreachableError
from marketo_opps.http_headers import moment, retry_after_seconds
from marketo_opps.redaction import REDACTOR

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from marketo_opps.settings import ConnectionSettings

_CONNECT_TIMEOUT_SECONDS = 10.0
# Marketo gives a call up by itself after the documented time; giving up at the same moment would
# leave a write that lands after its failure was reported here.
PATIENCE_SECONDS = 10.0
_CHUNK_BYTES = 1 << 16
# Ten calls at once are the most that Marketo takes; an eleventh connection may ask for a token.
_MOST_CONNECTIONS = 11


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response: status, Marketo's `Date` (aware), and the whole body, decompressed.

    `retry_after_seconds` is the shortest wait that it asks for before the next try.
    """

    status: int
    server_time: datetime
    body: bytes
    content_type: str
    retry_after_seconds: float | None = None


class Transport:
    """Sends requests to one instance; thread-safe, keeps connections alive.

    Args:
        settings: the instance, and the User-Agent.
        session: a session of `requests` to use instead of a new one.
        clock: monotonic seconds.
        patience_seconds: how much longer than Marketo itself to wait for a response.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._base = settings.endpoint
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._session = session or requests.Session()
        if session is None:
            self._session.mount(self._base, HTTPAdapter(pool_maxsize=_MOST_CONNECTIONS))
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
    ) -> HttpResponse:
        """Send one request and return its whole response.

        Args:
            method: GET or POST.
            path: from the root of the host, with the query string.
            server_timeout_seconds: when Marketo itself gives the request up, as documented.
            headers: besides the session's own.
            body: sent as it is.

        Raises:
            UnreachableError: nothing was sent.
            ConnectionLostError: it may have been sent, and no whole response came back.
            SettingsError: the host's certificate cannot be verified.
        """
        read_timeout_seconds = server_timeout_seconds + self._patience_seconds
        deadline = self._clock() + _CONNECT_TIMEOUT_SECONDS + read_timeout_seconds
        failure: MarketoError
        try:
            response = self._session.send(
                self._prepared(method, path, headers or {}, body),
                timeout=(_CONNECT_TIMEOUT_SECONDS, read_timeout_seconds),
                allow_redirects=False,
                stream=True,
            )
            with response:
                return self._read(response, deadline)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = connection_error(error, self._base)
        # Raised outside of the handler: the exception just caught quotes the URL, secret and all,
        # and must not travel along as the context of ours.
        raise failure

    def _prepared(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> requests.PreparedRequest:
        """Return a request, without the checks of `requests`: all that they ensure is known."""
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
        """The endpoint as `requests` writes it; checked and encoded once instead of every time."""
        request = requests.PreparedRequest()
        request.prepare_url(self._base, None)
        assert request.url is not None
        return request.url.rstrip("/")

    def _read(self, response: requests.Response, deadline: float) -> HttpResponse:
        chunks = []
        # Not `iter_content`: it waits until a chunk is full, however slowly the bytes drip in.
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            chunks.append(chunk)
            if self._clock() > deadline:
                raise ConnectionLostError(
                    f"The answer of {self._base} came so slowly that it was given up."
                )
        server_time = moment(response.headers.get("Date")) or datetime.now(UTC)
        return HttpResponse(
            status=response.status_code,
            server_time=server_time,
            body=b"".join(chunks),
            content_type=response.headers.get("Content-Type", ""),
            retry_after_seconds=retry_after_seconds(
                response.headers.get("Retry-After"), server_time
            ),
        )

    def close(self) -> None:
        """Close all connections."""
        self._session.close()


def _drop_location(response: requests.Response, **_more: t.Any) -> None:
    """Keep `requests` from reading where a redirect leads to: none is followed."""
    response.headers.pop("Location", None)


def _read_environment_once(session: requests.Session, settings: ConnectionSettings) -> None:
    """Take proxies and certificates from the environment now, not anew on every call.

    A proxy cannot reach this machine's loopback, and with `trust_env` off a .netrc entry cannot
    replace the token.
    """
    if not settings.is_loopback:
        merged = session.merge_environment_settings(settings.endpoint, {}, None, None, None)
        session.proxies.update(merged["proxies"])
        session.verify, session.cert = merged["verify"], merged["cert"]
        if isinstance(session.verify, str):
            _check_certificates(session.verify)
    session.trust_env = False


def _check_certificates(path: str) -> None:
    """Raise an error if a CA bundle, or a folder of certificates, cannot be loaded.

    Raises:
        SettingsError: it cannot be loaded.
    """
    kind = "capath" if Path(path).is_dir() else "cafile"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**{kind: path})
    except OSError as error:
        said = "it holds none" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(
            f"The certificates in {path} cannot be read ({said}): correct REQUESTS_CA_BUNDLE in "
            "the environment."
        ) from None


def connection_error(error: Exception, base: str) -> MarketoError:
    """Return the error that stands for an exception of `requests` or `urllib3`.

    Args:
        error: what was raised.
        base: the instance's address, for error texts.
    """
    causes = list(_causes(error))
    cause = causes[-1]
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SettingsError(
            f"The certificate of {base} cannot be verified ({cause.verify_message}): check "
            "'endpoint', or name your company's certificates in REQUESTS_CA_BUNDLE."
        )
    if isinstance(cause, ssl.SSLError) and cause.reason == _NO_TLS:
        return SettingsError(
            f"What answers at {base} does not speak TLS: check 'endpoint', and its port if it has "
            "one."
        )
    said = REDACTOR.redact(_short(cause))
    if any(isinstance(each, _UNUSABLE_PROXY) for each in causes):
        return SettingsError(
            f"The proxy for {base} cannot be used ({said}): correct HTTPS_PROXY in the environment."
        )
    # A `ProxyError` by itself proves nothing: urllib3 makes one of every connection through a proxy
    # that was closed, though the call may have gone out on it.
    never_sent = str(cause).startswith(_NO_TUNNEL) or any(
        isinstance(each, _NEVER_SENT) for each in causes
    )
    if never_sent and any(isinstance(each, requests.exceptions.ProxyError) for each in causes):
        return UnreachableError(
            f"{base} cannot be reached through the proxy ({said}): check HTTPS_PROXY in the "
            "environment, and the network."
        )
    if never_sent:
        return UnreachableError(
            f"{base} cannot be reached ({said}): check 'endpoint' and the network."
        )
    return ConnectionLostError(
        f"The connection to {base} was lost before the answer came ({said})."
    )


# OpenSSL's word for an answer that is none of TLS.
_NO_TLS = "WRONG_VERSION_NUMBER"
# The connection was not even made, so no write can have been done.
_NEVER_SENT = (
    requests.ConnectTimeout,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
)
# http.client's words for a proxy that refuses to connect.
_NO_TUNNEL = "Tunnel connection failed"
# Its address makes no sense, so trying again cannot help. The endpoint's own has been checked.
_UNUSABLE_PROXY = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.ProxySchemeUnknown,
    urllib3.exceptions.LocationParseError,
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception of requests and all that it and urllib3 have wrapped, innermost last."""
    cause: t.Any = error
    while isinstance(cause, BaseException):
        yield cause
        inner = next((arg for arg in cause.args if isinstance(arg, Exception)), None)
        cause = getattr(cause, "reason", None) or inner or cause.__cause__


def _short(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause).rsplit(": ", maxsplit=1)[-1] or type(cause).__name__
