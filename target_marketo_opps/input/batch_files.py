"""Read the records of a BATCH message from its files."""

from __future__ import annotations

import gzip
import typing as t
from pathlib import Path
from urllib.parse import unquote

# A private class of the SDK: taps built on the SDK name the storage of their BATCH files in its
# way, and the SDK has no public function that opens such a file.
from singer_sdk.helpers._batch import StorageTarget

from target_marketo_opps.errors import InputError
from target_marketo_opps.json_lines import decode

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from marketo_opps import Record

_SHORT_FILE = "file:/"


def batch_records(encoding: t.Any, manifest: t.Any) -> Iterator[tuple[Record, bytes]]:
    """Yield each record in the files of a BATCH message, with the text of its line.

    Args:
        encoding: `encoding` of the message: JSON Lines, plain or gzip.
        manifest: `manifest` of the message: the URLs of the files.

    Raises:
        InputError: the encoding is not supported, or a file cannot be read or has no valid records.
    """
    if not _is_readable(encoding):
        raise InputError(
            "A BATCH message has an unsupported encoding: set the tap's batch_config to format "
            "jsonl, with compression gzip or none.",
        )
    if not isinstance(manifest, list) or not all(map(_is_named, manifest)):
        raise InputError("The manifest of a BATCH message is not a list of file URLs.")
    for url in manifest:
        yield from _file_records(url, compressed=encoding.get("compression") == "gzip")


def _is_readable(encoding: t.Any) -> bool:
    return (
        isinstance(encoding, dict)
        and encoding.get("format") == "jsonl"
        and encoding.get("compression") in {None, "none", "gzip"}
    )


def _is_named(url: t.Any) -> bool:
    return isinstance(url, str) and bool(url.strip())


def _file_records(url: str, *, compressed: bool) -> Iterator[tuple[Record, bytes]]:
    # The query of the URL is removed, because it may be a secret signature.
    name = url.partition("?")[0].rpartition("/")[2]
    for number, line in enumerate(_lines(url, name, compressed=compressed), start=1):
        if not line.isspace():
            yield _record(line, number, name), line


def _lines(url: str, name: str, *, compressed: bool) -> Iterator[bytes]:
    try:
        with _opened(url) as file:
            yield from gzip.GzipFile(fileobj=file) if compressed else file
    except Exception as error:  # noqa: BLE001 - each kind of storage has exceptions of its own
        why = _without_signature(" ".join(str(error).split()) or type(error).__name__, url)
        raise InputError(f"The BATCH file '{name}' cannot be read: {why}.") from None


def _without_signature(text: str, url: str) -> str:
    signature = url.partition("?")[2]
    return text.replace(signature, "...") if signature else text


def _opened(url: str) -> t.ContextManager[t.IO[bytes]]:
    path = _local_path(url)
    if path is not None:
        return path.open("rb")
    head, name = StorageTarget.split_url(url)
    return StorageTarget.from_url(head).open(name, mode="rb")


def _local_path(url: str) -> Path | None:
    """Return the path of a local file; None for other storage. Some taps percent-encode file names.

    The SDK's function is not used: it creates the directory to read from, and does not decode
    names.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        # Java and Hadoop write `file:/path`.
        is_short = url[: len(_SHORT_FILE)].lower() == _SHORT_FILE
        scheme, rest = "file", url[len(_SHORT_FILE) - 1 :] if is_short else url
    if scheme.lower() != "file":
        return None
    literal = Path(rest.removeprefix("localhost"))
    return literal if literal.exists() else Path(unquote(str(literal)))


def _record(line: bytes, number: int, name: str) -> Record:
    try:
        record = decode(line)
    except ValueError as error:
        raise _error(number, name, str(error)) from None
    if not isinstance(record, dict):
        raise _error(number, name, "it is JSON, but not an object")
    if _is_message(record):
        what = "it is a Singer message, but a BATCH file must contain only records"
        raise _error(number, name, what)
    return record


def _error(number: int, name: str, what: str) -> InputError:
    return InputError(f"Line {number} of the BATCH file '{name}': {what}.")


def _is_message(record: Record) -> bool:
    return record.get("type") == "RECORD" and isinstance(record.get("record"), dict)
