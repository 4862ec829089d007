"""Rejected records, and the file that keeps them."""

from __future__ import annotations

import errno
import os
import stat
import typing as t
from dataclasses import dataclass
from pathlib import Path

from target_marketo_opps.errors import RejectsFileError
from target_marketo_opps.json_lines import encode

if t.TYPE_CHECKING:
    from marketo_opps import MarketoObject, Reason
    from marketo_opps.models import Record


@dataclass(frozen=True, slots=True)
class Reject:
    """A rejected record.

    Attributes:
        stream: the stream as it arrived, before `stream_maps`.
        obj: the object it was meant for.
        record: the record as it arrived.
        reasons: Marketo's, or ours in Marketo's form.
        request_id: of the call that rejected it; None if it was rejected before any call.
    """

    stream: str
    obj: MarketoObject
    record: Record
    reasons: tuple[Reason, ...]
    request_id: str | None = None

    def json_line(self) -> bytes:
        """Return the reject as one line of JSON."""
        members = {
            "stream": self.stream,
            "object": self.obj.value,
            "record": self.record,
            "reasons": [{"code": why.code, "message": why.message} for why in self.reasons],
            "request_id": self.request_id,
        }
        return encode(members) + b"\n"


class RejectsFile:
    """The JSON Lines file at `rejects_path`, appended to.

    Args:
        path: opened at once, so that a wrong path costs no call.

    Raises:
        RejectsFileError: it cannot be opened, or (later) not written.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._dirty = False
        _refuse_streams(path)
        try:
            self._file = open(path, "ab", opener=_open_private)  # noqa: SIM115 - stays open
        except OSError as error:
            raise RejectsFileError(
                f"rejects_path '{path}' cannot be opened: {error.strerror}. Name a file in a "
                "directory that exists and that this user may write to.",
            ) from None
        if _lacks_final_newline(path):
            # Left by a full disk or a killed run; what follows must not become part of it.
            self._attempt(lambda: self._file.write(b"\n"))

    def write(self, reject: Reject) -> None:
        """Append a reject; it is on disk only after `flush`."""
        self._dirty = True
        self._attempt(lambda: self._file.write(reject.json_line()))

    def flush(self) -> None:
        """Write everything to disk; called before a STATE passes a reject."""
        if self._dirty:
            self._attempt(self._sync)
            self._dirty = False

    def close(self) -> None:
        """Write everything to disk, and close."""
        try:
            self.flush()
        finally:
            self._attempt(self._file.close)

    def _sync(self) -> None:
        self._file.flush()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if not _is_unsyncable(error):
                raise

    def _attempt(self, action: t.Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            raise RejectsFileError(
                f"rejects_path '{self._path}' cannot be written: {error.strerror}. No STATE went "
                "out past a reject that is not in the file: make room and run again.",
            ) from None


def _refuse_streams(path: str) -> None:
    """Raise if a path is that of a pipe, on which opening waits, or of standard output."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return
    if _is_stdout(found):
        raise RejectsFileError(
            f"rejects_path '{path}' is standard output, which is for STATE. Name a file."
        )
    if stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode):
        raise RejectsFileError(
            f"rejects_path '{path}' is a pipe, which keeps nothing. Name a file."
        )


def _is_stdout(found: os.stat_result) -> bool:
    """Return whether it is what file descriptor 1 is; what a device swallows mixes with nothing."""
    try:
        stdout = os.fstat(1)
    except OSError:
        return False
    is_null = found.st_rdev and found.st_rdev == Path(os.devnull).stat().st_rdev
    return os.path.samestat(found, stdout) and not is_null


def _open_private(path: str, flags: int) -> int:
    """Open; a new file can be read by its owner alone, for it holds customers' data."""
    return os.open(path, flags, mode=0o600)


def _lacks_final_newline(path: str) -> bool:
    """Return whether it is a file whose last line does not end."""
    if not Path(path).is_file():
        return False
    try:
        with Path(path).open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False


def _is_unsyncable(error: OSError) -> bool:
    """Return whether the file is a pipe or a device, which cannot be synced."""
    return error.errno in {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
