"""Errors with Marketo's codes, which refuse a whole call or one record of it."""

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
    """Raised to refuse a whole call, which gets ``success: false`` and this code in ``errors``.

    Args:
        code: Marketo's error code, as a string.
        message: message of the error; by default Marketo's usual message for the code.
    """

    def __init__(self, code: str, message: str | None = None) -> None:
        super().__init__(code, message or _MESSAGES.get(code, "Injected fault"))


class RecordRefusedError(_CodedRefusalError):
    """Raised to skip one record of a call, which gets this code in its ``reasons``.

    Args:
        code: Marketo's error code, as a string.
        message: message of the reason.
    """


def missing(parameter: str) -> CallRefusedError:
    """Return the error 1002, which refuses a call without a required parameter."""
    return CallRefusedError("1002", f"Missing value for the required parameter '{parameter}'")


def blank(parameter: str) -> CallRefusedError:
    """Return the error 701, which refuses a call with a blank required parameter."""
    return CallRefusedError("701", f"{parameter} cannot be blank")


def invalid(message: str) -> CallRefusedError:
    """Return the error 1003, which refuses a call with invalid data, with the given message."""
    return CallRefusedError("1003", message)
