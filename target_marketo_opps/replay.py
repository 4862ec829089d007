"""Rejects become Singer messages again.

    python -m target_marketo_opps.replay rejects.jsonl | target-marketo-opps --config config.json

Records come as they arrived, under the names that their streams arrived with, so the same
settings (`stream_maps`, `stream_objects`) apply to them once more.
"""

from __future__ import annotations

import argparse
import logging
import sys
import typing as t
from pathlib import Path

from marketo_opps import MarketoError
from marketo_opps.plugin.process import run
from target_marketo_opps.json_lines import decode, encode

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LOGGER = logging.getLogger("target-marketo-opps")


class RejectsLineError(MarketoError):
    """A line of the input is not a reject that this target has written."""


def messages(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield Singer messages, one a line, for the lines of a rejects file.

    A line that breaks off is passed over with a warning: no STATE has gone out past its record.
    A SCHEMA comes before the first record of a stream, and again before a record with properties
    that the stream's records have not had so far.

    Raises:
        RejectsLineError: a line is no reject.
    """
    known: dict[str, dict[str, t.Any]] = {}
    for number, line in enumerate(lines, start=1):
        if _breaks_off(line):
            _LOGGER.warning("Line %d is incomplete; skipped.", number)
            continue
        stream, record = _reject(number, line)
        properties = known.setdefault(stream, {})
        new = [name for name in record if name not in properties]
        if new or not properties:
            properties.update({name: {} for name in new})
            yield encode({"type": "SCHEMA", "stream": stream, **_schema(properties)}) + b"\n"
        yield encode({"type": "RECORD", "stream": stream, "record": record}) + b"\n"


def _breaks_off(line: bytes) -> bool:
    """Return whether a line is what a full disk or a killed run has left of a reject."""
    try:
        decode(line)
    except ValueError:
        return line.startswith(b'{"stream":')
    return False


def _reject(number: int, line: bytes) -> tuple[str, dict[str, t.Any]]:
    try:
        reject = decode(line)
        stream, record = reject["stream"], reject["record"]
    except (ValueError, KeyError, TypeError):
        raise RejectsLineError(
            f"Line {number} is not a reject written by target-marketo-opps: correct the line, or "
            "remove it.",
        ) from None
    return stream, record


def _schema(properties: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"schema": {"type": "object", "properties": properties}, "key_properties": []}


def main() -> t.NoReturn:
    """Print the messages of the files named on the command line, or of standard input."""
    run(replay)


def replay() -> None:
    """Print the messages, or raise."""
    parser = argparse.ArgumentParser(
        prog="python -m target_marketo_opps.replay",
        description="Print the records of rejects files as Singer messages, for the target.",
    )
    parser.add_argument(
        "paths", nargs="*", metavar="FILE", help="rejects files; default: standard input"
    )
    paths = parser.parse_args().paths
    for lines in map(_lines, paths) if paths else [sys.stdin.buffer]:
        sys.stdout.buffer.writelines(messages(lines))


def _lines(path: str) -> Iterator[bytes]:
    try:
        with Path(path).open("rb") as lines:
            yield from lines
    except OSError as error:
        raise RejectsLineError(f"'{path}' cannot be read: {error.strerror}.") from None


if __name__ == "__main__":
    main()
