"""The records behind a BATCH message."""

from __future__ import annotations

import gzip
import typing as t

from singer_sdk.helpers._batch import StorageTarget

from target_marketo_opps.errors import InputError
from target_marketo_opps.reader import decode

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from marketo_opps import Record


def batch_records(encoding: dict[str, t.Any], manifest: Sequence[str]) -> Iterator[Record]:
    """The records in the files of a BATCH message, one at a time.

    Args:
        encoding: the message's `encoding`; JSON Lines, plain or gzip.
        manifest: the files' URLs.

    Raises:
        InputError: the files cannot be read, or hold something else.
    """
    if encoding.get("format") != "jsonl" or encoding.get("compression") not in {
        None,
        "none",
        "gzip",
    }:
        raise InputError(
            "A BATCH message has an encoding other than jsonl, plain or gzip: set the tap's "
            "batch_config to one of these.",
        )
    for url in manifest:
        yield from _file_records(url, compressed=encoding.get("compression") == "gzip")


def _file_records(url: str, *, compressed: bool) -> Iterator[Record]:
    head, name = StorageTarget.split_url(url)
    try:
        with StorageTarget.from_url(head).open(name, mode="rb") as file:
            lines = gzip.GzipFile(fileobj=file) if compressed else file
            yield from (_record(line, number, name) for number, line in enumerate(lines, start=1))
    except (OSError, EOFError) as error:
        raise InputError(f"The BATCH file '{name}' cannot be read: {error}.") from None


def _record(line: bytes, number: int, name: str) -> Record:
    try:
        return t.cast("Record", decode(line))
    except ValueError as error:
        raise InputError(f"Line {number} of the BATCH file '{name}': {error}.") from None
