"""Changes of responses by fault rules: status, headers, and members of the JSON body."""

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


def replacement_response(rule: FaultRule, parameters: Mapping[str, Any]) -> HttpResponse:
    """Return the response that a rule with the fault ``answer`` sends in place of the real one.

    Args:
        rule: the fault rule.
        parameters: the call's parameters, for ``{"$parameter": name}`` in the rule's body.
    """
    return HttpResponse(200, _body(rule.body, parameters))


def _body(body: Any, parameters: Mapping[str, Any]) -> bytes:
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else _encode(_fill_parameters(body, parameters))


def alter_response(
    response: HttpResponse, rule: FaultRule, parameters: Mapping[str, Any]
) -> HttpResponse:
    """Return a response with the status, headers and JSON members that a fault rule sets.

    Args:
        response: the response before the change.
        rule: the fault rule.
        parameters: the call's parameters, for ``{"$parameter": name}`` in the rule.
    """
    return replace(
        response,
        status=rule.status or response.status,
        body=_alter_body(response.body, rule, parameters),
        headers={**response.headers, **rule.headers},
    )


def _alter_body(body: bytes, rule: FaultRule, parameters: Mapping[str, Any]) -> bytes:
    if not rule.changes_json:
        return body
    try:
        envelope = _decode(body)
    except msgspec.DecodeError:
        return body
    return _encode(_alter_envelope(envelope, rule, parameters))


def _alter_envelope(envelope: Any, rule: FaultRule, parameters: Mapping[str, Any]) -> Any:
    members = _list_at(envelope, rule.at)
    if members is not None:
        changed = [_alter_member(each, rule, parameters) for each in members]
        kept = [each for each in changed if not (rule.drop and _matches(each, rule.where))]
        members[:] = kept + _fill_parameters(list(rule.add), parameters)
    return apply_merge_patch(envelope, _fill_parameters(rule.merge, parameters))


def _alter_member(member: Any, rule: FaultRule, parameters: Mapping[str, Any]) -> Any:
    if not rule.each or not _matches(member, rule.where):
        return member
    return apply_merge_patch(member, _fill_parameters(rule.each, parameters))


def _matches(member: Any, where: Mapping[str, Any]) -> bool:
    return not where or (
        isinstance(member, dict)
        and all(name in member and member[name] == value for name, value in where.items())
    )


def _list_at(envelope: Any, pointer: str) -> list[Any] | None:
    """Return the list to which a JSON pointer points in a response, or None if there is no list."""
    value = envelope
    for step in pointer.split("/")[1:]:
        if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value if isinstance(value, list) else None


def apply_merge_patch(value: Any, patch: Any) -> Any:
    """Return a JSON value changed by a merge patch (RFC 7396).

    A null in the patch removes a member. ``{"$value": x}`` sets a member to x, even to null.
    """
    if not isinstance(patch, dict):
        return patch
    if patch.keys() == {VALUE}:
        return patch[VALUE]
    result = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = apply_merge_patch(result.get(name), change)
    return result


def _fill_parameters(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Replace each ``{"$parameter": name}`` in a JSON value by the call's parameter ``name``."""
    if isinstance(value, dict):
        if value.keys() == {PARAMETER}:
            return parameters.get(value[PARAMETER])
        return {name: _fill_parameters(each, parameters) for name, each in value.items()}
    if isinstance(value, list):
        return [_fill_parameters(each, parameters) for each in value]
    return value
