"""Converts exceptions of `requests` and `urllib3` to errors of this package; pure."""

from __future__ import annotations

import errno
import re
import ssl
import typing as t

import requests
import urllib3

from marketo_opps.errors import ConnectionLostError, MarketoError, SettingsError, UnreachableError
from marketo_opps.redaction import REDACTOR

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_NETWORK_ADVICE = "check 'endpoint' and the network"
_FILES_ADVICE = "raise the limit on open files (ulimit -n), or end programs that have many open"
# The limit of the process, and that of the machine.
_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE})


def connection_error(error: Exception, base: str, *, connected: bool | None = None) -> MarketoError:
    """Convert an exception of `requests` or `urllib3` to the error that the client raises for it.

    Args:
        error: the exception.
        base: the instance's address, for error texts.
        connected: True if there was a connection to the host, by proxy or not; None if unknown.
    """
    causes = list(_causes(error))
    cause = causes[-1]
    reason = REDACTOR.redact(_short(cause))
    if isinstance(cause, ssl.SSLError) and (tls := _tls_error(cause, base, reason)):
        return tls
    if any(isinstance(each, _UNUSABLE_PROXY) for each in causes):
        return SettingsError(
            f"The proxy for {base} cannot be used ({reason}): correct HTTPS_PROXY in the "
            "environment."
        )
    # A `ProxyError` alone does not prove that nothing was sent: urllib3 raises one whenever a
    # connection through a proxy is closed, even after the call was sent on it.
    never_sent = (
        connected is False
        or str(cause).startswith(_NO_TUNNEL)
        or any(isinstance(each, _NEVER_SENT) for each in causes)
    )
    if never_sent and any(map(_is_out_of_files, causes)):
        return unreachable_error(base, reason, _FILES_ADVICE)
    if never_sent and any(isinstance(each, requests.exceptions.ProxyError) for each in causes):
        return UnreachableError(
            f"{base} cannot be reached through the proxy ({reason}): check HTTPS_PROXY in the "
            "environment, and the network."
        )
    if never_sent:
        return unreachable_error(base, reason)
    return ConnectionLostError(
        f"The connection to {base} was lost before the response arrived ({reason})."
    )


def _tls_error(cause: ssl.SSLError, base: str, reason: str) -> SettingsError | None:
    """Return the error for a TLS failure that no retry can cure; None if a retry may succeed."""
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
            f"The TLS handshake with {base} failed ({reason}): check 'endpoint' and any proxy in "
            "between; Marketo supports TLS 1.2 and later."
        )
    return None


def unreachable_error(base: str, reason: str, advice: str = _NETWORK_ADVICE) -> UnreachableError:
    """Return the error to raise if no connection to the instance could be made.

    Args:
        base: the instance's address.
        reason: the operating system's or the library's description of the failure.
        advice: what to do.
    """
    return UnreachableError(f"{base} cannot be reached ({reason}): {advice}.")


def _is_out_of_files(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _OUT_OF_FILES


# OpenSSL's words for failures that a retry cannot cure: versions, ciphers, keys, certificates.
_NO_AGREEMENT = re.compile(
    "PROTOCOL|VERSION|HANDSHAKE_FAILURE|CIPHER|TOO_SMALL|TOO_WEAK|INSUFFICIENT_SECURITY|"
    "UNRECOGNIZED_NAME|CERTIFICATE|UNKNOWN_CA|RENEGOTIATION|ACCESS_DENIED"
)
# OpenSSL's word for a response that is not TLS.
_NO_TLS = "WRONG_VERSION_NUMBER"
# There was no connection, so no write can have been executed.
_NEVER_SENT = (
    requests.ConnectTimeout,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
)
# The words of http.client for a proxy that refuses to connect.
_NO_TUNNEL = "Tunnel connection failed"
# The proxy's address is invalid, so a retry cannot help. The endpoint was validated before.
_UNUSABLE_PROXY = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.ProxySchemeUnknown,
    urllib3.exceptions.LocationParseError,
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception of requests and every exception that it wraps, the innermost last."""
    cause: t.Any = error
    while isinstance(cause, BaseException):
        yield cause
        inner = next((arg for arg in cause.args if isinstance(arg, Exception)), None)
        cause = getattr(cause, "reason", None) or inner or cause.__cause__


def _short(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause).rsplit(": ", maxsplit=1)[-1] or type(cause).__name__
