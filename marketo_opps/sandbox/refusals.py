"""What the instance says no with: to a whole call, or to one record of it."""

from __future__ import annotations


class CallRefusedError(Exception):
    """The whole call fails: HTTP 200, ``success: false`` and this code.

    Args:
        code: Marketo's code, a string as on the wire.
        message: what stands beside it in ``errors``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class RecordRefusedError(Exception):
    """One record is skipped, with this reason; the others go on.

    Args:
        code: Marketo's code, a string as on the wire.
        message: what stands beside it in ``reasons``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


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
