"""Reads HTTP responses of the REST API: the result, or the error that the response means; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from http import HTTPStatus

from marketo_opps.errors import (
    AccessDeniedError,
    ConnectionLostError,
    CrmManagedError,
    MarketoError,
    NoDataError,
    Recovery,
    ServerError,
    ThrottledError,
    TooLargeError,
    UnexpectedResponseError,
    is_listed,
    response_error_class,
    unexpected_response,
)
from marketo_opps.models import NO_CODE, Page, Reason
from marketo_opps.wire import JsonTooLargeError, decode_response
from marketo_opps.wording import request_note

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketo_opps.errors import ResponseError
    from marketo_opps.transport import HttpResponse

_QUOTED_CHARACTERS = 120
_BOOLEANS = {"true": True, "false": False}
_NOT_LET_THROUGH = frozenset({HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Envelope:
    """A successful response: Marketo's envelope, with defaults for absent members.

    `more` and `next_page_token` are unchecked, as Marketo sent them, because only pages need them.
    """

    result: list[t.Any]
    request_id: str | None
    more: t.Any
    next_page_token: t.Any
    warnings: tuple[str, ...]

    def page(self, call: str) -> Page:
        """Return the records in this response, with its page token and `moreResult`, as a `Page`.

        Args:
            call: name of the call, such as `query GET /v1/opportunities.json`.

        Raises:
            UnexpectedResponseError: `moreResult` or `nextPageToken` is of an unexpected type.
        """
        more = self.more
        if isinstance(more, str):
            more = _BOOLEANS.get(more.strip().casefold(), more)
        if not isinstance(more, bool | None):
            what = "a moreResult that is not a boolean"
            raise unexpected_response(call, self.request_id, what)
        return Page(
            records=self.result,
            next_page_token=self.token(call),
            more=more,
            request_id=self.request_id,
            call=call,
        )

    def token(self, call: str) -> str | None:
        """Return the response's `nextPageToken` as a string, even if it is a number; or None.

        Raises:
            UnexpectedResponseError: the token is neither a string nor a number.
        """
        token = self.next_page_token
        if token.__class__ is int:
            return str(token)
        if not isinstance(token, str | None):
            raise unexpected_response(call, self.request_id, "a page token that is not a string")
        return token or None


def read_response(
    call: str,
    response: HttpResponse,
    *,
    permissions: Sequence[str] = (),
    writing: bool = False,
) -> Envelope:
    """Return the envelope of a response to a REST call.

    Marketo's envelope is looked for in every body, because a proxy or gateway may change the
    status.

    Args:
        call: name of the call, such as `sync POST /v1/opportunities.json`, for error texts.
        response: the whole HTTP response.
        permissions: permissions any of which allows the call; named if Marketo denies access.
        writing: True if the run writes records; it decides which advice error texts give.

    Raises:
        ResponseError: Marketo refused the call; the subclass decides the recovery.
        ServerError: the HTTP status is transient, and the body has no code that Marketo lists.
        ConnectionLostError: the JSON is incomplete.
        UnexpectedResponseError: it is not an envelope, or one that cannot be understood.
    """
    try:
        return _read(call, response, permissions, writing=writing)
    except MarketoError as error:
        error.retry_after_seconds = response.retry_after_seconds
        raise


def _read(
    call: str, response: HttpResponse, permissions: Sequence[str], *, writing: bool
) -> Envelope:
    members = _members(call, response)
    if members.get("success") is not True or members.get("errors"):
        raise refusal_error(call, response, members, permissions, writing=writing)
    request_id = _request_id(members)
    if error := status_error(call, response, (), request_id):
        raise error
    result = members.get("result")
    if not isinstance(result, list | None):
        raise unexpected_response(call, request_id, "a result that is not a list")
    return Envelope(
        result=result or [],
        request_id=request_id,
        more=members.get("moreResult"),
        next_page_token=members.get("nextPageToken"),
        warnings=tuple(map(_warning, _list(members.get("warnings")))),
    )


def _members(call: str, response: HttpResponse) -> dict[str, t.Any]:
    try:
        members = decode_response(response.body)
    except ValueError as error:
        raise status_error(call, response) or _not_json_error(call, response, error) from None
    if is_envelope(members):
        return t.cast("dict[str, t.Any]", members)
    raise status_error(call, response) or UnexpectedResponseError(
        f"The response to {call} is JSON, but not Marketo's: check that 'endpoint' is the "
        "instance's own address."
    )


def is_envelope(members: t.Any) -> bool:
    """Return whether decoded JSON is Marketo's envelope; with errors it may lack `success`."""
    if not isinstance(members, dict):
        return False
    if "success" in members:
        return isinstance(members["success"], bool)
    return bool(members.get("errors")) and "requestId" in members


def status_error(
    call: str,
    response: HttpResponse,
    reasons: Sequence[Reason] = (),
    request_id: str | None = None,
) -> MarketoError | None:
    """Return the error that the HTTP status of a response means; None for a status of success.

    Args:
        call: name of the call.
        response: the whole HTTP response.
        reasons: errors in the body whose codes no error class lists.
        request_id: of the response, if it has one.
    """
    status = response.status
    if status // 100 == HTTPStatus.OK // 100:
        return None
    if str(status) in TooLargeError.codes:
        return TooLargeError(call, [Reason(str(status), _phrase(status)), *reasons], request_id)
    problem = f"The response to {call} was HTTP {_phrase_of(status, reasons, request_id)}"
    if transient := transient_error_class(status):
        return transient(f"{problem}.")
    error = UnexpectedResponseError(
        f"{problem}, which Marketo's REST API does not send: check "
        "that 'endpoint' is the instance's own address and that no proxy responds instead."
    )
    error.http_status = status
    return error


def transient_error_class(status: int) -> type[ServerError] | None:
    """Return the class of error for a transient HTTP status; None for any other status."""
    if status in _NOT_LET_THROUGH:
        return ThrottledError
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerError
    return None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unassigned"


def _phrase_of(status: int, reasons: Sequence[Reason], request_id: str | None) -> str:
    joined = "; ".join(map(str, reasons))
    return f"{status} {_phrase(status)}{request_note(request_id, joined)}"


def _not_json_error(call: str, response: HttpResponse, error: ValueError) -> MarketoError:
    if isinstance(error, JsonTooLargeError):
        return unexpected_response(call, None, str(error))
    text = response.body.decode("utf-8", errors="replace").strip()
    if not text or text.startswith("{"):
        return ConnectionLostError(
            f"The response to {call} is incomplete: it ends after {len(response.body)} bytes."
        )
    kind = "HTML" if text.startswith("<") else response.content_type or "something"
    quoted = " ".join(text[:_QUOTED_CHARACTERS].split())
    return UnexpectedResponseError(
        f"The response to {call} is {kind} instead of JSON ({quoted!r}): check that 'endpoint' is "
        "the instance's own address and that no proxy or login page responds instead."
    )


def refusal_error(
    call: str,
    response: HttpResponse,
    members: Mapping[str, t.Any],
    permissions: Sequence[str] = (),
    *,
    writing: bool = False,
) -> MarketoError:
    """Return the error for an envelope that has errors or is not successful.

    Args:
        call: name of the call.
        response: the whole HTTP response.
        members: the envelope in its body.
        permissions: permissions any of which allows the call; named if Marketo denies access.
        writing: True if the run writes records; it decides which advice error texts give.
    """
    reasons, request_id = read_refusal(members)
    code = reasons[0].code
    by_status = status_error(call, response, reasons, request_id)
    if by_status and by_status.recovery is not Recovery.FATAL and not is_listed(code):
        return by_status
    error_class = response_error_class(code)
    if error_class is NoDataError and members.get("result"):
        return unexpected_response(call, request_id, f"both records and the error {reasons[0]}")
    error: ResponseError
    if error_class is AccessDeniedError:
        error = AccessDeniedError(call, reasons, request_id, permissions)
    elif error_class is CrmManagedError:
        error = CrmManagedError(call, reasons, request_id, writing=writing)
    else:
        error = error_class(call, reasons, request_id)
    # If success is true as well, it is unknown whether Marketo executed the call.
    error.ambiguous |= members.get("success") is True
    return error


def read_refusal(members: Mapping[str, t.Any]) -> tuple[tuple[Reason, ...], str | None]:
    """Return why Marketo refused a call (at least one reason), and the requestId."""
    reasons = read_reasons(members.get("errors")) or (Reason(NO_CODE, "no reason was given"),)
    return reasons, _request_id(members)


def _request_id(members: Mapping[str, t.Any]) -> str | None:
    request_id = members.get("requestId")
    return str(request_id) if isinstance(request_id, str | int) and request_id else None


def read_reasons(entries: t.Any) -> tuple[Reason, ...]:
    """Return the codes and messages in a list such as the `errors` of an envelope."""
    return tuple(map(_reason, _list(entries)))


def _reason(entry: t.Any) -> Reason:
    if not isinstance(entry, dict):
        return Reason(NO_CODE, str(entry))
    code = str(entry.get("code") or NO_CODE).strip()
    return Reason(code.removesuffix(".0"), str(entry.get("message") or "no message"))


def _warning(entry: t.Any) -> str:
    return str(_reason(entry)) if isinstance(entry, dict) else str(entry)


def _list(member: t.Any) -> list[t.Any]:
    """Return a list as it is, any other value in a list of its own, and none as an empty list."""
    if isinstance(member, list):
        return member
    return [member] if member else []
