"""Reads HTTP responses of the REST API: results, or the error that stands for them; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from http import HTTPStatus
from operator import attrgetter

from marketo_opps.errors import (
    AccessDeniedError,
    ConnectionLostError,
    ServerError,
    TooLargeError,
    UnexpectedResponseError,
    beyond_documentation,
    response_error_class,
)
from marketo_opps.models import Page, Reason, RecordResult
from marketo_opps.wire import decode_response

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketo_opps.errors import MarketoError, ResponseError
    from marketo_opps.transport import HttpResponse

_QUOTED_CHARACTERS = 120
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Envelope:
    """A successful response: Marketo's envelope, with absent members filled in.

    `more` and `next_page_token` are as Marketo sent them: what is no page need not be read as one.
    """

    result: list[t.Any]
    request_id: str | None
    more: t.Any
    next_page_token: t.Any
    warnings: tuple[str, ...]

    def page(self, call: str) -> Page:
        """Return a page of its records.

        Args:
            call: what was called, such as `GET /v1/opportunities.json`.

        Raises:
            UnexpectedResponseError: what it says of further pages cannot be read.
        """
        more, token = self.more, self.next_page_token
        if isinstance(more, str):
            more = _BOOLEANS.get(more.strip().casefold(), more)
        if not isinstance(more, bool | None):
            what = "a moreResult that is neither true nor false"
            raise beyond_documentation(call, self.request_id, what)
        if not isinstance(token, str | None):
            raise beyond_documentation(call, self.request_id, "a page token that is no text")
        return Page(
            records=self.result,
            next_page_token=token or None,
            more=more,
            request_id=self.request_id,
            call=call,
        )


def read_response(call: str, response: HttpResponse, *, permission: str | None = None) -> Envelope:
    """Return the envelope of a response to a REST call.

    Args:
        call: what was called, such as `POST /v1/opportunities.json`; for error texts.
        response: the whole HTTP response.
        permission: what the call needs, should Marketo say that access is denied.

    Raises:
        ResponseError: Marketo said `success: false`; the subclass decides the recovery.
        ServerError: an HTTP 5xx.
        ConnectionLostError: the JSON breaks off.
        UnexpectedResponseError: it is not an envelope.
    """
    _raise_for_status(call, response)
    members = _members(call, response)
    if not members["success"]:
        raise _response_error(call, members, permission)
    return Envelope(
        result=_list(members.get("result")),
        request_id=members.get("requestId"),
        more=members.get("moreResult"),
        next_page_token=members.get("nextPageToken"),
        warnings=tuple(str(warning) for warning in _list(members.get("warnings"))),
    )


def _list(member: t.Any) -> list[t.Any]:
    return member if isinstance(member, list) else []


def _raise_for_status(call: str, response: HttpResponse) -> None:
    if response.status == HTTPStatus.OK:
        return
    phrase = _phrase(response.status)
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServerError(f"The answer to {call} was HTTP {phrase}.")
    if str(response.status) in TooLargeError.codes:
        raise TooLargeError(call, [Reason(str(response.status), phrase)], None)
    raise UnexpectedResponseError(
        f"The answer to {call} was HTTP {phrase}, which Marketo's REST API does not send: check "
        "that 'endpoint' is the instance's own address and that no proxy stands between."
    )


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _members(call: str, response: HttpResponse) -> dict[str, t.Any]:
    try:
        members = decode_response(response.body)
    except ValueError:
        raise _not_json_error(call, response) from None
    if isinstance(members, dict) and isinstance(members.get("success"), bool):
        return members
    raise UnexpectedResponseError(
        f"The answer to {call} is JSON, but not Marketo's: check that 'endpoint' is the "
        "instance's own address."
    )


def _not_json_error(call: str, response: HttpResponse) -> MarketoError:
    text = response.body.decode("utf-8", errors="replace").strip()
    if not text or text.startswith("{"):
        return ConnectionLostError(
            f"The answer to {call} breaks off after {len(response.body)} bytes."
        )
    kind = "HTML" if text.startswith("<") else response.content_type or "something"
    quoted = " ".join(text[:_QUOTED_CHARACTERS].split())
    return UnexpectedResponseError(
        f"The answer to {call} is {kind} instead of JSON ({quoted!r}): check that 'endpoint' is "
        "the instance's own address and that no proxy or login page stands between."
    )


def _response_error(
    call: str,
    members: Mapping[str, t.Any],
    permission: str | None,
) -> ResponseError:
    reasons = _reasons(members.get("errors")) or (Reason("none", "no reason was given"),)
    error_class = response_error_class(reasons[0].code)
    request_id = members.get("requestId")
    if error_class is AccessDeniedError:
        return AccessDeniedError(call, reasons, request_id, permission)
    return error_class(call, reasons, request_id)


def _reasons(entries: t.Any) -> tuple[Reason, ...]:
    return tuple(
        Reason(str(entry.get("code", "none")), str(entry.get("message", "no message")))
        for entry in _list(entries)
        if isinstance(entry, dict)
    )


def read_record_results(call: str, envelope: Envelope, sent: int) -> Sequence[RecordResult]:
    """Return what became of each input record, in the order of the input.

    Args:
        call: what was called; for error texts.
        envelope: the response to a sync or delete call.
        sent: how many input records the call had.

    Raises:
        UnexpectedResponseError: there is not exactly one result for each input record.
    """
    items = [item for item in envelope.result if isinstance(item, dict) and "status" in item]
    results = [_record_result(index, item) for index, item in enumerate(items)]
    expected = list(range(sent))
    if [result.seq for result in results] != expected:
        results.sort(key=attrgetter("seq"))
    if [result.seq for result in results] != expected:
        raise UnexpectedResponseError(
            f"Marketo answered {call} of {sent} records with {len(results)} results that do not "
            f"match them one by one (requestId {envelope.request_id}): what was delivered cannot "
            "be told. Run again; upserts can be repeated without harm."
        )
    return results


def _record_result(index: int, item: Mapping[str, t.Any]) -> RecordResult:
    """Return one result; made 300 times a call, so the usual one goes without conversions."""
    seq, guid, reasons = item.get("seq"), item.get("marketoGUID"), item.get("reasons")
    result = RecordResult(
        index if seq is None else _parse_seq(seq),
        str(item["status"]),
        (str(guid).rstrip() or None) if guid else None,
        _reasons(reasons) if reasons else (),
    )
    if result.reasons or result.accepted:
        return result
    return replace(result, reasons=(Reason("none", f"{result.status}, and no reason was given"),))


def _parse_seq(seq: t.Any) -> int:
    """Return seq as an int, or -1 if it is not a number."""
    try:
        return int(seq)
    except (TypeError, ValueError, ArithmeticError):
        return -1
