"""The records behind a BATCH message."""

from __future__ import annotations

import gzip
import typing as t
import zlib

from singer_sdk.helpers._batch import StorageTarget

from target_marketo_opps.errors import InputError
from target_marketo_opps.reader import decode

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from marketo_opps import Record


def batch_records(encoding: t.Any, manifest: t.Any) -> Iterator[Record]:
    """The records in the files of a BATCH message, one at a time.

    Args:
        encoding: the message's `encoding`; JSON Lines, plain or gzip.
        manifest: the files' URLs.

    Raises:
        InputError: the files cannot be read, or hold something else.
    """
    if not _is_readable(encoding):
        raise InputError(
            "A BATCH message has an encoding other than jsonl, plain or gzip: set the tap's "
            "batch_config to one of these.",
        )
    if not isinstance(manifest, list) or not all(isinstance(url, str) for url in manifest):
        raise InputError("A BATCH message's manifest is no list of files.")
    for url in manifest:
        yield from _file_records(url, compressed=encoding.get("compression") == "gzip")


def _is_readable(encoding: t.Any) -> bool:
    return (
        isinstance(encoding, dict)
        and encoding.get("format") == "jsonl"
        and encoding.get("compression") in {None, "none", "gzip"}
    )


def _file_records(url: str, *, compressed: bool) -> Iterator[Record]:
    # Without what follows a question mark, which may be a signature.
    name = url.partition("?")[0].rpartition("/")[2]
    try:
        for number, line in enumerate(_lines(url, compressed=compressed), start=1):
            if not line.isspace():
                yield _record(line, number, name)
    except (OSError, EOFError, zlib.error, ImportError, ValueError) as error:
        raise InputError(f"The BATCH file '{name}' cannot be read: {error}.") from None


def _lines(url: str, *, compressed: bool) -> Iterator[bytes]:
    head, name = StorageTarget.split_url(url)
    with StorageTarget.from_url(head).open(name, mode="rb") as file:
        yield from gzip.GzipFile(fileobj=file) if compressed else file


def _record(line: bytes, number: int, name: str) -> Record:
    try:
        return t.cast("Record", decode(line))
    except ValueError as error:
        raise InputError(f"Line {number} of the BATCH file '{name}': {error}.") from None
