"""Reads the result of each record in a response to a sync or delete call; pure."""

from __future__ import annotations

import typing as t
from operator import attrgetter

from marketo_opps.envelope import read_reasons
from marketo_opps.errors import UnexpectedResponseError
from marketo_opps.field_types import whole_number
from marketo_opps.models import NO_CODE, Reason, RecordResult
from marketo_opps.wording import request_note

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketo_opps.envelope import Envelope

_SKIPPED = "skipped"


def read_record_results(call: str, envelope: Envelope, sent: int) -> Sequence[RecordResult]:
    """Return the result of each record that a sync or delete call sent, in the order sent.

    Args:
        call: name of the call, for error texts.
        envelope: the response to a sync or delete call.
        sent: number of input records in the call.

    Raises:
        UnexpectedResponseError: there is not exactly one result for each input record.
    """
    items = [
        item
        for item in envelope.result
        if isinstance(item, dict) and ("status" in item or "reasons" in item or "errors" in item)
    ]
    results = [_record_result(index, item) for index, item in enumerate(items)]
    expected = list(range(sent))
    if [result.seq for result in results] != expected:
        results.sort(key=attrgetter("seq"))
    if [result.seq for result in results] != expected:
        raise UnexpectedResponseError(
            f"Marketo returned {len(results)} results for the {sent} records of {call}, which do "
            f"not match one to one{request_note(envelope.request_id)}: it is unknown which records "
            "were delivered. Run again; repeating an upsert does no harm."
        )
    return results


def _record_result(index: int, item: Mapping[str, t.Any]) -> RecordResult:
    """Convert one entry of the response to a sync or delete call to a `RecordResult`.

    Args:
        index: position of the entry, which counts as its `seq` if it has none.
        item: the entry.
    """
    seq, guid = item.get("seq"), item.get("marketoGUID")
    reasons = item.get("reasons") or item.get("errors")
    result = RecordResult(
        index if seq is None else _parse_seq(seq),
        str(item.get("status", _SKIPPED)),
        (str(guid).rstrip() or None) if guid else None,
        read_reasons(reasons) if reasons else (),
    )
    if result.reasons or result.accepted:
        return result
    return result._replace(reasons=(Reason(NO_CODE, f"{result.status}, and no reason was given"),))


def _parse_seq(seq: t.Any) -> int:
    """Return a result's `seq`, the index of its record, as an int; -1 if it is not an integer."""
    try:
        return whole_number(seq)
    except ValueError:
        return -1
