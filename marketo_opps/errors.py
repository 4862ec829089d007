"""Errors of calls to Marketo, grouped by what the caller can do about them.

It is over 300 lines to keep the whole hierarchy in one place.

    MarketoError
    ├── SettingsError              a setting is invalid; no call was made
    ├── StoppedError               this process was asked to stop
    ├── CredentialsError           identity refused client_id or client_secret
    ├── UnexpectedResponseError    not Marketo's envelope, for example a proxy's HTML page
    ├── InvalidFilterValueError    a lookup value with a comma in it; no call was made
    ├── DailyLimitError            daily_call_limit is reached; no call was made
    ├── ConnectionLostError        no response, or an incomplete one              RETRY
    │   └── UnreachableError       no connection: nothing was sent                RETRY
    ├── ServerError                HTTP 408 and 5xx without a code of Marketo's   RETRY
    │   └── ThrottledError         HTTP 425 and 429: rate limit of a gateway      RETRY
    └── ResponseError              `success: false`, with a code of Marketo's
        ├── TransientError         500 502 604 608 611 614 713 719                RETRY
        ├── RateLimitError         606: over 100 calls in 20 seconds              RETRY
        ├── ConcurrencyLimitError  615: over 10 concurrent calls                  RETRY
        ├── TokenRefusedError      601 602                                        REAUTHENTICATE
        ├── TooLargeError          413 414                                        RESHAPE
        ├── DataError              718, and 1001 to 1036 for a whole call         RESHAPE
        ├── PageTokenError         a page token that Marketo no longer accepts    RESHAPE
        ├── NoDataError            702: an empty result, for a query              RESHAPE
        ├── DailyQuotaError        607                                            FATAL
        ├── AccessDeniedError      603                                            FATAL
        ├── CrmManagedError        1018 for a whole call: a native CRM sync       FATAL
        └── RequestRefusedError    600 605 609 610 612 613 616 701 703 704 709 710 711 712 714
                                   and codes that no other class lists            FATAL

The outcome of a single record in a successful call is not an error but data: see `RecordResult`.
"""

from __future__ import annotations

import enum
import typing as t

from marketo_opps.wording import request_note

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from marketo_opps.models import Reason


class Recovery(enum.Enum):
    """What can be done about an error: retry, fetch another token, change the call, or nothing."""

    RETRY = "wait, then retry the call"
    REAUTHENTICATE = "fetch a new token, then retry the call"
    RESHAPE = "change the call: fewer records, or other data"
    FATAL = "do not retry the call"


class MarketoError(Exception):
    """Base of all errors of this package; the text is made for users."""

    recovery: t.ClassVar[Recovery] = Recovery.FATAL
    ambiguous: bool = False
    """True if a write that failed with this error may have been executed."""
    retry_after_seconds: float | None = None
    """The shortest wait before a retry, if the response asks for one."""
    possibly_applied_since: datetime | None = None
    """When the call was first sent, if one of its attempts may have been executed."""
    remedy: t.ClassVar[str] = ""
    """One sentence of advice for the user; empty if there is none in general."""

    def __str__(self) -> str:
        """Return what went wrong, and what the user can do about it."""
        return f"{self.summary} {self.advice()}".rstrip()

    @property
    def summary(self) -> str:
        """Return what went wrong, without advice; for the log line of a retry."""
        return super().__str__()

    def advice(self) -> str:
        """Return what the user can do about it."""
        return self.remedy


class SettingsError(MarketoError):
    """A setting is invalid; no call was made."""


class StoppedError(MarketoError):
    """A signal or the caller asked the client to stop, so it makes no new calls and no retries."""


class CredentialsError(MarketoError):
    """Marketo's identity service refused `client_id` or `client_secret`."""


class UnexpectedResponseError(MarketoError):
    """The response is not Marketo's envelope, or has content that is not documented."""

    ambiguous = True
    http_status: int | None = None
    """The HTTP status, if it is the unexpected part."""


def unexpected_response(call: str, request_id: str | None, what: str) -> UnexpectedResponseError:
    """Return the error for a response that does not fit Marketo's documentation.

    Args:
        call: name of the call.
        request_id: of the response.
        what: what is unexpected in the response.
    """
    return UnexpectedResponseError(
        f"Marketo sent an unexpected response to {call}: {what}{request_note(request_id)}. "
        "Run again later; if the error persists, quote the requestId to Marketo's support."
    )


class InvalidFilterValueError(MarketoError):
    """A lookup value contains a comma, which separates values, so it cannot be looked up."""


class DailyLimitError(MarketoError):
    """The next call would have exceeded `daily_call_limit` and was not made."""


class ConnectionLostError(MarketoError):
    """The connection was lost: no response to a request arrived, or an incomplete one."""

    recovery = Recovery.RETRY
    ambiguous = True
    remedy = "The network did not recover in time: run again later, or raise max_retry_seconds."


class UnreachableError(ConnectionLostError):
    """No connection to Marketo could be made, so the request was not sent."""

    ambiguous = False
    remedy = ""


class ServerError(MarketoError):
    """The response was HTTP 408 or 5xx, without a code of Marketo's."""

    recovery = Recovery.RETRY
    ambiguous = True
    remedy = "Marketo did not recover in time: run again later, or raise max_retry_seconds."


class ThrottledError(ServerError):
    """The response was HTTP 425 or 429 without a code of Marketo's: nothing was executed."""

    ambiguous = False
    remedy = (
        "A gateway in front of Marketo enforces a rate limit: run again later, or lower "
        "calls_per_20_seconds."
    )


class ResponseError(MarketoError):
    """Marketo responded with `success: false`, or with an HTTP error of its own.

    Attributes:
        reasons: every entry of Marketo's `errors`; the first one decides the class.
        request_id: the ID that Marketo's support asks for; None if the response has none.
        call: name of the call, such as `sync POST /v1/opportunities.json`.
    """

    codes: t.ClassVar[frozenset[str]] = frozenset()

    def __init__(self, call: str, reasons: Sequence[Reason], request_id: str | None) -> None:
        self.call = call
        self.reasons = tuple(reasons)
        self.request_id = request_id
        super().__init__(call, reasons, request_id)

    @property
    def summary(self) -> str:
        """Return which call Marketo refused and why, without advice."""
        reasons = "; ".join(str(reason) for reason in self.reasons)
        return f"Marketo refused {self.call}: {reasons}{request_note(self.request_id)}."

    @property
    def code(self) -> str:
        """Return Marketo's code in the first entry of `errors`, unchanged."""
        return self.reasons[0].code


class TransientError(ResponseError):
    """A temporary failure at Marketo; a write may still have been executed."""

    codes = frozenset({"500", "502", "604", "608", "611", "614", "713", "719"})
    recovery = Recovery.RETRY
    ambiguous = True
    remedy = "Marketo did not recover in time: run again later, or raise max_retry_seconds."


class RateLimitError(ResponseError):
    """Over 100 calls in 20 seconds by all users of the instance. Nothing was executed."""

    codes = frozenset({"606"})
    recovery = Recovery.RETRY
    remedy = "Lower calls_per_20_seconds: other tools use the instance's rate limit too."


class ConcurrencyLimitError(ResponseError):
    """Over 10 concurrent calls by all users of the instance. Nothing was executed."""

    codes = frozenset({"615"})
    recovery = Recovery.RETRY
    remedy = "Lower max_concurrent_calls: other tools use the instance's concurrency limit too."


class TokenRefusedError(ResponseError):
    """Marketo refused the access token: it is invalid or has expired. Nothing was executed."""

    codes = frozenset({"601", "602"})
    recovery = Recovery.REAUTHENTICATE
    remedy = (
        "The identity service issued a token that the REST API rejects: check that endpoint is "
        "the instance of the LaunchPoint service."
    )


class TooLargeError(ResponseError):
    """Marketo refused a request because its body is over 1 MB, or its URI over 8 KB."""

    codes = frozenset({"413", "414"})
    recovery = Recovery.RESHAPE
    remedy = "The call contains too much data for one request."


class DataError(ResponseError):
    """Marketo refused the whole call, for example a batch, because of single records in it."""

    codes = frozenset(
        {"718", "1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1011", "1013"}
        | {"1017", "1022", "1036"},
    )
    recovery = Recovery.RESHAPE
    remedy = "Correct the values that Marketo names."


class PageTokenError(ResponseError):
    """Marketo no longer accepts a page token: read again from the first page."""

    recovery = Recovery.RESHAPE
    remedy = "If Marketo rejects the page token, start the read again from its first page."


class NoDataError(ResponseError):
    """Marketo responded that it found no records; for a query the client returns an empty page."""

    codes = frozenset({"702"})
    recovery = Recovery.RESHAPE


class DailyQuotaError(ResponseError):
    """The instance's daily API quota is exhausted."""

    codes = frozenset({"607"})
    remedy = (
        "The instance's daily API quota is exhausted. It is reset at midnight US Central time "
        "(06:00 UTC, perhaps 05:00 in summer). Run again after that; nothing is lost."
    )


class AccessDeniedError(ResponseError):
    """The API user lacks a permission, or this machine's IP address is not on the allowlist."""

    codes = frozenset({"603"})
    remedy = (
        "Give the API user's role the permission that the message names, or add this machine's "
        "address to the allowlist."
    )

    def __init__(
        self,
        call: str,
        reasons: Sequence[Reason],
        request_id: str | None,
        permissions: Sequence[str] = (),
    ) -> None:
        self.permissions = tuple(permissions)
        super().__init__(call, reasons, request_id)

    def advice(self) -> str:
        """Return advice: which permissions allow the call, and where to allow an IP address."""
        wanted = " or ".join(f"'{each}'" for each in self.permissions) or "that this call needs"
        return (
            f"Give the API user's role the permission {wanted} (Admin > "
            "Users & Roles > Roles > Access API), or add this machine's address to the allowlist "
            "(Admin > Login Settings > API Access Restrictions)."
        )


class CrmManagedError(ResponseError):
    """Marketo refused a call: a native Salesforce or Dynamics sync owns opportunities and roles."""

    codes = frozenset({"1018"})
    remedy = (
        "The instance has a native CRM sync that manages opportunities: they cannot be written by "
        "API, and roles cannot be read either. Change them in the CRM."
    )
    read_remedy: t.ClassVar[str] = (
        "The instance has a native CRM sync, and Marketo does not let the API read this: read it "
        "from the CRM."
    )

    def __init__(
        self,
        call: str,
        reasons: Sequence[Reason],
        request_id: str | None,
        *,
        writing: bool = True,
    ) -> None:
        self._writing = writing
        super().__init__(call, reasons, request_id)

    def advice(self) -> str:
        """Return what the user can do about the CRM sync; the text differs for reads and writes."""
        return self.remedy if self._writing else self.read_remedy


_OTHER_CALLS = (
    "This code is for calls about folders or merges, which these plugins do not make: quote the "
    "requestId to Marketo's support."
)


class RequestRefusedError(ResponseError):
    """Marketo refused a call, and would refuse it again; unknown codes of Marketo count as such."""

    codes = frozenset(
        {"600", "605", "609", "610", "612", "613", "616", "701", "703", "704", "709"}
        | {"710", "711", "712", "714"},
    )
    remedy = "Correct what Marketo names, or quote the requestId to Marketo's support."
    remedies: t.ClassVar[Mapping[str, str]] = {
        "600": (
            "Marketo received no access token: check that no proxy removes the Authorization "
            "header."
        ),
        "613": (
            "Marketo read the call as a multipart request, which it is not: check that no proxy "
            "changes it, or quote the requestId to Marketo's support."
        ),
        **dict.fromkeys(("710", "711", "712", "714"), _OTHER_CALLS),
    }
    """Advice for single codes, which replaces `remedy`."""

    def advice(self) -> str:
        """Return what the user can do about the code with which Marketo refused the call."""
        return self.remedies.get(self.code, self.remedy)


def response_error_class(code: str) -> type[ResponseError]:
    """Return the error class for a code with which Marketo refused a whole call.

    Args:
        code: Marketo's code, a string of digits (an HTTP status for 413 and 414).

    Returns:
        The class that lists the code; `RequestRefusedError` if no class does.
    """
    return _CLASS_BY_CODE.get(code, RequestRefusedError)


def is_listed(code: str) -> bool:
    """Return whether a code of Marketo is known, that is, listed by one of the error classes."""
    return code in _CLASS_BY_CODE


_CLASS_BY_CODE = {
    code: error_class
    for error_class in ResponseError.__subclasses__()
    for code in error_class.codes
}
