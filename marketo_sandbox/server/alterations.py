"""Changes that a fault makes to an answer: another status, headers, members of its JSON."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from marketo_sandbox.server.exchange import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketo_sandbox.server.faults import FaultRule

PARAMETER = "$parameter"
VALUE = "$value"

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def answer_of(rule: FaultRule, parameters: Mapping[str, Any]) -> HttpResponse:
    """Return the answer that a rule puts in the place of the real one."""
    return HttpResponse(200, _body(rule.body, parameters))


def _body(body: Any, parameters: Mapping[str, Any]) -> bytes:
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else _encode(_filled(body, parameters))


def altered(response: HttpResponse, rule: FaultRule, parameters: Mapping[str, Any]) -> HttpResponse:
    """Return an answer with the status, headers and members that a rule gives it."""
    return replace(
        response,
        status=rule.status or response.status,
        body=_altered_body(response.body, rule, parameters),
        headers={**response.headers, **rule.headers},
    )


def _altered_body(body: bytes, rule: FaultRule, parameters: Mapping[str, Any]) -> bytes:
    if not rule.changes_json:
        return body
    try:
        envelope = _decode(body)
    except msgspec.DecodeError:
        return body
    return _encode(_altered_envelope(envelope, rule, parameters))


def _altered_envelope(envelope: Any, rule: FaultRule, parameters: Mapping[str, Any]) -> Any:
    members = _list_at(envelope, rule.at)
    if members is not None:
        changed = [_altered_member(each, rule, parameters) for each in members]
        kept = [each for each in changed if not (rule.drop and _matches(each, rule.where))]
        members[:] = kept + _filled(list(rule.add), parameters)
    return merged(envelope, _filled(rule.merge, parameters))


def _altered_member(member: Any, rule: FaultRule, parameters: Mapping[str, Any]) -> Any:
    if not rule.each or not _matches(member, rule.where):
        return member
    return merged(member, _filled(rule.each, parameters))


def _matches(member: Any, where: Mapping[str, Any]) -> bool:
    return not where or (
        isinstance(member, dict)
        and all(name in member and member[name] == value for name, value in where.items())
    )


def _list_at(envelope: Any, pointer: str) -> list[Any] | None:
    """Return the list that a JSON pointer leads to, or None if there is none."""
    value = envelope
    for step in pointer.split("/")[1:]:
        if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value if isinstance(value, list) else None


def merged(value: Any, patch: Any) -> Any:
    """Return a JSON value after a merge patch (RFC 7396); ``{"$value": x}`` is x, even null."""
    if not isinstance(patch, dict):
        return patch
    if patch.keys() == {VALUE}:
        return patch[VALUE]
    result = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), change)
    return result


def _filled(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Return a value in which ``{"$parameter": name}`` is what the call said for that name."""
    if isinstance(value, dict):
        if value.keys() == {PARAMETER}:
            return parameters.get(value[PARAMETER])
        return {name: _filled(each, parameters) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, parameters) for each in value]
    return value
