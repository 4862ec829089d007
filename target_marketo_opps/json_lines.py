"""Decode and encode JSON without loss of digits, and accept what other taps write."""

from __future__ import annotations

import codecs
import json
import math
import typing as t
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import msgspec

if t.TYPE_CHECKING:
    from collections.abc import Iterator

decode_fast = msgspec.json.Decoder(float_hook=Decimal).decode
"""Decodes nearly every line; if it raises one of `NOT_FAST`, `decode` may still succeed."""

# An ArithmeticError is raised for an exponent beyond the range of `Decimal`.
NOT_FAST = (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError)

_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def encode(value: t.Any) -> bytes:
    """Return a value as JSON with all digits; a lone surrogate is escaped, NaN becomes null."""
    try:
        return _ENCODER.encode(value)
    except (UnicodeEncodeError, RecursionError):
        return "".join(_escaped(value)).encode("ascii")


class _Mark(str):
    """JSON text to write unchanged, such as a bracket, as opposed to a string to encode."""

    __slots__ = ()


def _escaped(value: t.Any) -> Iterator[str]:
    """Yield a value as pieces of JSON in ASCII, in which lone surrogates are escaped too.

    It uses no recursion, because a value that could be decoded may be nested too deeply for that.
    """
    rest = [value]
    while rest:
        each = rest.pop()
        if isinstance(each, _Mark):
            yield each
        elif isinstance(each, dict | list):
            rest += reversed([*_opened(each)])
        elif isinstance(each, float) and not math.isfinite(each):
            yield "null"
        else:
            yield str(each) if isinstance(each, Decimal) else json.dumps(each, default=str)


def _opened(container: dict[str, t.Any] | list[t.Any]) -> Iterator[t.Any]:
    """Yield the parts of an object or array in order, so that it can be encoded without recursion.

    Brackets, commas, and names with a colon are yielded as `_Mark`: JSON text to write unchanged.
    Values are yielded as they are, and still have to be encoded.
    """
    if isinstance(container, list):
        members = [("", each) for each in container]
    else:
        members = [(f"{json.dumps(str(name))}:", each) for name, each in container.items()]
    yield _Mark("{" if isinstance(container, dict) else "[")
    for at, (name, each) in enumerate(members):
        yield _Mark(("," if at else "") + name)
        yield each
    yield _Mark("}" if isinstance(container, dict) else "]")


def decode(line: bytes) -> t.Any:
    """Return the value on a line of JSON; numbers with a fraction become `Decimal`.

    Lone surrogates, NaN and infinities (as float), and a byte order mark are accepted, because
    other taps write them although msgspec refuses them.

    Raises:
        ValueError: the line is not valid JSON; the message names the column and quotes nothing.
    """
    try:
        return decode_fast(line)
    except NOT_FAST:
        return _decode_leniently(line)


def source_line(record: bytes) -> bytes:
    """Return a record, given as JSON, in the form of a line of the input: `{"record": ...}`.

    It stands in for the line of a record that did not arrive in a RECORD message of its own, such
    as one from a BATCH file. `source_record` decodes it.
    """
    return b'{"record":%b}' % record.removeprefix(codecs.BOM_UTF8)


def source_record(line: bytes) -> dict[str, t.Any]:
    """Return the decoded record of a RECORD message, from its line in the input.

    Records are kept as bytes and decoded again when needed, because a decoded record takes several
    times the memory.
    """
    try:
        message = decode(line)
    except ValueError:
        # The line was decoded before with fewer frames on the stack, which left more of the
        # recursion limit to its nesting. A new thread has the fewest frames.
        with ThreadPoolExecutor(max_workers=1) as alone:
            message = alone.submit(decode, line).result()
    return t.cast("dict[str, t.Any]", message["record"])


def _decode_leniently(line: bytes) -> t.Any:
    try:
        text = line.removeprefix(codecs.BOM_UTF8).decode("utf-8")
        return json.loads(text, parse_float=Decimal, parse_constant=float)
    except UnicodeDecodeError as error:
        raise ValueError(_utf_16(line) or f"invalid UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        where = f"it is not valid JSON at column {error.colno} ({error.msg})"
        raise ValueError(_utf_16(line) or where + _hint(line)) from None
    except (ValueError, ArithmeticError, RecursionError):
        raise ValueError("it contains a number or nesting that is too large") from None


def _utf_16(line: bytes) -> str:
    """Return an error message if a line is UTF-16; else an empty string.

    In UTF-16, every other byte of ASCII text is zero.
    """
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in line[:4]:
        return "it is UTF-16, which some shells write; write it as UTF-8"
    return ""


def _hint(line: bytes) -> str:
    """Return a hint for an error message, if a line begins like a message but is cut off.

    Returns:
        An empty string if there is no hint.
    """
    if line.startswith(b"{") and not line.rstrip().endswith(b"}"):
        return "; it is cut short, as when the tap died"
    return ""
