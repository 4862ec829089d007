"""Which error stands for each way in which an exchange can be cut short; pure."""

from __future__ import annotations

import re
import ssl
import typing as t

import requests
import urllib3

from marketo_opps.errors import ConnectionLostError, MarketoError, SettingsError, UnreachableError
from marketo_opps.redaction import REDACTOR

if t.TYPE_CHECKING:
    from collections.abc import Iterator


def connection_error(error: Exception, base: str, *, connected: bool | None = None) -> MarketoError:
    """Return the error that stands for an exception of `requests` or `urllib3`.

    Args:
        error: what was raised.
        base: the instance's address, for error texts.
        connected: whether there was a connection all the way to the host; None if nobody knows.
    """
    causes = list(_causes(error))
    cause = causes[-1]
    said = REDACTOR.redact(_short(cause))
    if isinstance(cause, ssl.SSLError) and (tls := _tls_error(cause, base, said)):
        return tls
    if any(isinstance(each, _UNUSABLE_PROXY) for each in causes):
        return SettingsError(
            f"The proxy for {base} cannot be used ({said}): correct HTTPS_PROXY in the environment."
        )
    # A `ProxyError` by itself proves nothing: urllib3 makes one of every connection through a proxy
    # that was closed, though the call may have gone out on it.
    never_sent = (
        connected is False
        or str(cause).startswith(_NO_TUNNEL)
        or any(isinstance(each, _NEVER_SENT) for each in causes)
    )
    if never_sent and any(isinstance(each, requests.exceptions.ProxyError) for each in causes):
        return UnreachableError(
            f"{base} cannot be reached through the proxy ({said}): check HTTPS_PROXY in the "
            "environment, and the network."
        )
    if never_sent:
        return unreachable_error(base, said)
    return ConnectionLostError(
        f"The connection to {base} was lost before the response arrived ({said})."
    )


def _tls_error(cause: ssl.SSLError, base: str, said: str) -> SettingsError | None:
    """Return the error of TLS that cannot work; None where it may work later."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SettingsError(
            f"The certificate of {base} cannot be verified ({cause.verify_message}): check "
            "'endpoint', or name your company's certificates in REQUESTS_CA_BUNDLE."
        )
    if cause.reason == _NO_TLS:
        return SettingsError(
            f"The server at {base} does not use TLS: check 'endpoint', and its port if it has one."
        )
    if _NO_AGREEMENT.search(cause.reason or ""):
        return SettingsError(
            f"The TLS handshake with {base} failed ({said}): check 'endpoint' and any proxy in "
            "between; Marketo supports TLS 1.2 and later."
        )
    return None


def unreachable_error(base: str, said: str) -> UnreachableError:
    """Return the error of an instance to which there was no connection, for the reason said."""
    return UnreachableError(f"{base} cannot be reached ({said}): check 'endpoint' and the network.")


# OpenSSL's words for what trying again does not change: versions, ciphers, keys and certificates.
_NO_AGREEMENT = re.compile(
    "PROTOCOL|VERSION|HANDSHAKE_FAILURE|CIPHER|TOO_SMALL|TOO_WEAK|INSUFFICIENT_SECURITY|"
    "UNRECOGNIZED_NAME|CERTIFICATE|UNKNOWN_CA|RENEGOTIATION|ACCESS_DENIED"
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
