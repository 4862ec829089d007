"""Turn rejected records into Singer messages again.

    mv rejects.jsonl corrected.jsonl
    python -m target_marketo_opps.replay corrected.jsonl | target-marketo-opps --config config.json

Records are written as they arrived, with the stream names of the input, so the same settings
(`stream_maps`, `stream_objects`) apply to them again. Of each file, only what it holds at the start
is read.
"""

from __future__ import annotations

import argparse
import logging
import os
import stat
import sys
import typing as t
from pathlib import Path

from marketo_opps import MarketoError
from marketo_opps.plugin.process import run
from target_marketo_opps.json_lines import decode, encode

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LOGGER = logging.getLogger("target-marketo-opps")

_BEGINNING = b'{"stream":'
"""Beginning of every reject; a full disk or a killed run may leave little more of the last one."""


class RejectsLineError(MarketoError):
    """A line of the input is not a reject that this target wrote."""


def messages(lines: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield Singer messages, one per line, for the lines of a rejects file.

    An incomplete line is skipped with a warning: no STATE was written after its record, so the tap
    will send the record again. Blank lines are skipped. A SCHEMA precedes the first record of a
    stream, and each record with properties that earlier records of the stream did not have.

    Args:
        lines: the lines of the file.
        name: what messages about a line call the file.

    Raises:
        RejectsLineError: a line is not a reject.
    """
    known: dict[str, dict[str, t.Any]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        value = _decoded(line)
        if value is None and line.startswith(_BEGINNING):
            _LOGGER.warning("Line %d of %s is incomplete; skipped.", number, name)
            continue
        stream, record = _reject(value, f"Line {number} of {name}")
        is_first = stream not in known
        properties = known.setdefault(stream, {})
        new = [name for name in record if name not in properties]
        if is_first or new:
            properties.update({name: {} for name in new})
            yield encode({"type": "SCHEMA", "stream": stream, **_schema(properties)}) + b"\n"
        yield encode({"type": "RECORD", "stream": stream, "record": record}) + b"\n"


def _decoded(line: bytes) -> t.Any:
    """Return the value on a line; None if the line is not JSON."""
    try:
        return decode(line)
    except ValueError:
        return None


def _reject(value: t.Any, place: str) -> tuple[str, dict[str, t.Any]]:
    match value:
        case {"stream": str(stream), "record": dict(record)}:
            return stream, record
    raise RejectsLineError(
        f"{place} is not a reject written by target-marketo-opps: correct the line, or remove it."
    )


def _schema(properties: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"schema": {"type": "object", "properties": properties}, "key_properties": []}


def main() -> t.NoReturn:
    """Run `replay` as a program: print a clear message and set the exit status on errors."""
    run(replay)


def replay() -> None:
    """Print Singer messages for the rejects in the named files, or in standard input.

    Raises:
        RejectsLineError: a line is not a reject, or a file cannot be read.
    """
    parser = argparse.ArgumentParser(
        prog="python -m target_marketo_opps.replay",
        description="Print the records of rejects files as Singer messages, for the target.",
    )
    parser.add_argument(
        "paths", nargs="*", metavar="FILE", help="rejects files; default: standard input"
    )
    paths = parser.parse_args().paths
    if not paths and sys.stdin.isatty():
        parser.error("name a rejects file: standard input is a terminal.")
    for name, lines in _inputs(paths):
        sys.stdout.buffer.writelines(messages(lines, name))


def _inputs(paths: list[str]) -> list[tuple[str, Iterator[bytes]]]:
    """Return name and lines of each file, or of standard input if no file is named.

    Raises:
        RejectsLineError: a file does not exist.
    """
    if not paths:
        stdin = sys.stdin.buffer
        return [("standard input", _first_lines(stdin, _size(os.fstat(stdin.fileno()))))]
    # All sizes are taken before the first message is printed: the target that reads the messages
    # may append its own rejects to one of these files, and to replay those would never end.
    return [(f"'{path}'", _lines(path, _size_at(path))) for path in paths]


def _size_at(path: str) -> int | None:
    try:
        return _size(Path(path).stat())
    except OSError as error:
        raise _unreadable(path, error) from None


def _size(found: os.stat_result) -> int | None:
    """Return the size of a file in bytes; None for a pipe or device, which is read to its end."""
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _lines(path: str, size: int | None) -> Iterator[bytes]:
    try:
        with Path(path).open("rb") as file:
            yield from _first_lines(file, size)
    except OSError as error:
        raise _unreadable(path, error) from None


def _first_lines(file: t.IO[bytes], size: int | None) -> Iterator[bytes]:
    """Yield the lines of a file up to a position in bytes; None to read to its end."""
    if size is None:
        yield from file
        return
    rest = size - file.tell()
    while rest > 0 and (line := file.readline(rest)):
        rest -= len(line)
        yield line


def _unreadable(path: str, error: OSError) -> RejectsLineError:
    return RejectsLineError(f"'{path}' cannot be read: {error.strerror}.")


if __name__ == "__main__":
    main()
