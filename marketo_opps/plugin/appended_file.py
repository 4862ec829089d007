"""A text file to which a run appends lines; a setting such as `report_path` names it."""

from __future__ import annotations

import errno
import os
import stat
import typing as t
from pathlib import Path

from marketo_opps.plugin.errors import OutputFileError


class AppendedFile:
    """A text file, named by a setting such as `report_path`, to which a run appends lines.

    Args:
        setting: name of the setting that has its path, for error messages.
        path: path of the file, which is opened at once, so that a wrong path costs no call.
        consequence: a sentence about what is missing or not done if the file cannot be written.

    Raises:
        OutputFileError: the file cannot be opened; methods raise it if it cannot be written.
    """

    def __init__(self, setting: str, path: str, *, consequence: str) -> None:
        self._named = f"{setting} '{path}'"
        self._consequence = consequence
        self._is_dirty = False
        self._refuse_streams(path)
        try:
            self._file = open(path, "ab", opener=_open_private)  # noqa: SIM115 - stays open
        except OSError as error:
            raise self._not_opened(error.strerror) from None
        except ValueError:
            # The path contains a NUL or an unpaired surrogate.
            raise self._not_opened("it is not a valid path") from None
        if _lacks_final_newline(path):
            # A full disk or a killed run has left half a line, to which nothing must be appended.
            self._attempt(lambda: self._file.write(b"\n"))

    def write(self, line: bytes) -> None:
        """Append a line, given with its line end, to the buffer; `flush` writes it to disk."""
        self._is_dirty = True
        self._attempt(lambda: self._file.write(line))

    def flush(self) -> None:
        """Write all buffered lines to disk (`fsync`)."""
        if self._is_dirty:
            self._attempt(self._sync)
            self._is_dirty = False

    def close(self) -> None:
        """Write all buffered lines to disk, and close the file."""
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
            raise OutputFileError(
                f"{self._named} cannot be written: {error.strerror}. {self._consequence}",
            ) from None

    def _not_opened(self, reason: str | None) -> OutputFileError:
        return OutputFileError(
            f"{self._named} cannot be opened: {reason}. Name a file in a directory that exists and "
            "that this user may write to."
        )

    def _refuse_streams(self, path: str) -> None:
        """Raise an error if the path is standard output or input, or a pipe, which would block."""
        try:
            found = Path(path).stat()
        except (OSError, ValueError):
            return
        if _is_stdout(found):
            raise OutputFileError(
                f"{self._named} is standard output, which is for Singer messages. Name a file."
            )
        if stat.S_ISREG(found.st_mode) and _is_stream(found, 0):
            # A target would read what it writes, without an end.
            raise OutputFileError(
                f"{self._named} is the file of standard input, which a run must not change. Name "
                "another file."
            )
        if stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode):
            raise OutputFileError(f"{self._named} is a pipe, which stores nothing. Name a file.")


def _is_stdout(found: os.stat_result) -> bool:
    """Return whether the status of a file is that of standard output, and not the null device."""
    is_null = found.st_rdev and found.st_rdev == Path(os.devnull).stat().st_rdev
    return _is_stream(found, 1) and not is_null


def _is_stream(found: os.stat_result, descriptor: int) -> bool:
    """Return whether the status of a file is that of an open descriptor."""
    try:
        return os.path.samestat(found, os.fstat(descriptor))
    except OSError:
        return False


def _open_private(path: str, flags: int) -> int:
    """Open a file; a new one is readable by its owner only, because it may hold customer data."""
    return os.open(path, flags, mode=0o600)


def _lacks_final_newline(path: str) -> bool:
    """Return whether the path is a file whose last line has no line end."""
    if not Path(path).is_file():
        return False
    try:
        with Path(path).open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False


def _is_unsyncable(error: OSError) -> bool:
    """Return whether the error means that the file is a pipe or device, which cannot be synced."""
    return error.errno in {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
