"""What the instance says no with: to a whole call, or to one record of it."""

from __future__ import annotations

_MESSAGES = {
    "500": "Internal Server error",
    "502": "Bad Gateway",
    "601": "Access token invalid",
    "602": "Access token expired",
    "603": "Access denied",
    "604": "Request time-out",
    "605": "HTTP Method not supported",
    "606": "Max rate limit '100' exceeded with in '20' secs",
    "607": "Daily quota reached",
    "608": "API Temporarily Unavailable",
    "609": "Invalid JSON",
    "610": "Requested resource not found",
    "611": "System error",
    "612": "Invalid Content Type",
    "614": "Invalid Subscription",
    "615": "Concurrent access limit reached",
    "616": "Invalid subscription type",
    "702": "No data found for a given search scenario",
    "703": "The feature is not enabled for the subscription",
    "709": "Business Rule Violation",
    "713": "Transient Error",
    "1018": "CRM Enabled",
}


class _CodedRefusalError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class CallRefusedError(_CodedRefusalError):
    """The whole call fails: HTTP 200, ``success: false`` and this code.

    Args:
        code: Marketo's code, a string as on the wire.
        message: what stands beside it in ``errors``, if not the usual.
    """

    def __init__(self, code: str, message: str | None = None) -> None:
        super().__init__(code, message or _MESSAGES.get(code, "Fault on order"))


class RecordRefusedError(_CodedRefusalError):
    """One record is skipped, with this reason; the others go on.

    Args:
        code: Marketo's code, a string as on the wire.
        message: what stands beside it in ``reasons``.
    """


class HttpRefusedError(Exception):
    """The gateway itself refuses: an HTTP status and a page, no envelope.

    Args:
        status: the HTTP status.
        reason: its usual phrase.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


def missing(parameter: str) -> CallRefusedError:
    """A required parameter is not in the request."""
    return CallRefusedError("1002", f"Missing value for the required parameter '{parameter}'")


def blank(parameter: str) -> CallRefusedError:
    """A required parameter is there and empty."""
    return CallRefusedError("701", f"{parameter} cannot be blank")


def invalid(what: str) -> CallRefusedError:
    """The request as a whole makes no sense to the endpoint."""
    return CallRefusedError("1003", what)
