"""Reading of files of keys as other programs export them, in several encodings and formats."""

from __future__ import annotations

import codecs
import contextlib
import csv
import itertools
import logging
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from marketo_opps import SettingsError
from marketo_opps.keys import comparable_name
from marketo_opps.wording import counted

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOGGER = logging.getLogger("tap-marketo-opps")

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
# Spreadsheets write semicolons in locales with decimal commas. A semicolon can also be part of a
# value, so it counts as delimiter only if it makes a header of the first line.
_DELIMITERS = ("\t", ",", ";")
_NEED_A_HEADER = ("\t", ",")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Layout of a file of keys: which column contains the keys, and whether there is a header.

    Attributes:
        columns: Names of all columns.
        has_header: True if the first line that is not blank is a header.
        delimiter: Delimiter of columns; None for a file with one key per line.
        index: Index of the column that contains the keys.
    """

    columns: Sequence[str]
    has_header: bool = False
    delimiter: str | None = None
    index: int = 0


class KeyFile:
    """A text file of keys: one per line, or in a column of a CSV or TSV file with a header.

    Args:
        setting: Name of the setting that names the file, for messages.
        path: Path of the file.
        column: Header of the column that contains the keys.

    Attributes:
        keyless: Number of rows read so far that have no key.
    """

    def __init__(self, setting: str, path: str, column: str) -> None:
        self._setting = setting
        self._path = path
        self._column = column
        self.keyless = 0

    def keys(self) -> Iterator[str]:
        """Yield the key in each line of the file; an empty string for a line without a key.

        A row of a CSV file can span several lines. Its key is yielded for its first line, and an
        empty string for each further line.

        Raises:
            SettingsError: The file cannot be read, is not text, or has no such column.
        """
        with self._settings_errors(), self._open() as file:
            yield from self._keys_in(file)

    def rows(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the key and the cells of each row that has a key.

        Raises:
            SettingsError: The file cannot be read, is not text, or has no such column.
        """
        with self._settings_errors():
            yield from self._read_rows()

    def columns(self) -> Sequence[str]:
        """Return the names of the columns, as in the file's header.

        Raises:
            SettingsError: The file cannot be read, is not text, or has no such column.
        """
        with self._settings_errors(), self._open() as file:
            return self._layout(file).columns

    def warn_of_rows_without_key(self) -> None:
        """Log how many of the rows read so far have no key."""
        if self.keyless:
            _LOGGER.warning(
                "%s: skipped %s without %s in %s.",
                self._setting,
                counted(self.keyless, "row"),
                self._column,
                self._path,
            )

    @contextlib.contextmanager
    def _settings_errors(self) -> Iterator[None]:
        try:
            yield
        except UnicodeError as error:
            raise self._fault(
                f"is not valid UTF-8 in line {self._last_good_line() + 1} or after it: save it as "
                "UTF-8 (or as UTF-16 with a byte order mark)"
            ) from error
        except csv.Error as error:
            raise self._fault(
                f"has an unterminated field in line {self._last_good_line() + 1} or after it "
                f"({error}): check for a missing or extra quotation mark"
            ) from error
        except OSError as error:
            raise SettingsError(
                f"{self._setting}: cannot read {self._path}: {error.strerror}."
            ) from error

    def _read_rows(self) -> Iterator[tuple[str, Sequence[str]]]:
        with self._open() as file:
            layout = self._layout(file)
            file.seek(0)
            keyed = self._keyed(_cells(file, layout), layout.index)
            yield from itertools.islice(keyed, int(layout.has_header), None)

    def _keyed(
        self, rows: Iterator[Sequence[str]], index: int
    ) -> Iterator[tuple[str, Sequence[str]]]:
        for cells in rows:
            if key := cells[index].strip() if len(cells) > index else "":
                yield key, cells
            elif any(map(str.strip, cells)):
                self.keyless += 1

    def _keys_in(self, file: t.TextIO) -> Iterator[str]:
        layout = self._layout(file)
        file.seek(0)
        return self._keys_of(file, layout)

    def _last_good_line(self) -> int:
        """Return the number of the last line before an encoding or CSV error in the file.

        The file is read again from its beginning, to tell the user where the error is.
        """
        number = 0
        with contextlib.suppress(UnicodeError, csv.Error), self._open() as file:
            for number, _ in enumerate(self._keys_in(file), 1):  # noqa: B007 - it ends by an error
                pass
        return number

    def _open(self) -> t.TextIO:
        path = Path(self._path)
        try:
            if path.exists() and not path.is_file():
                raise self._fault(
                    "is not a regular file, and the file is read twice: write the lines to a file"
                )
            with path.open("rb") as file:
                start = file.read(3)
            return path.open(encoding=_encoding(start), newline="")
        except ValueError:
            # The path contains a NUL or an unpaired surrogate.
            raise SettingsError(f"{self._setting}: cannot read {path}: not a valid path.") from None

    def _layout(self, file: t.TextIO) -> _Layout:
        first = next((text for line in file if (text := line.strip())), "")
        for delimiter in filter(first.__contains__, _DELIMITERS):
            names = next(csv.reader([first], delimiter=delimiter), [])
            if (index := self._index(names)) is not None:
                return _Layout(names, has_header=True, delimiter=delimiter, index=index)
        if any(delimiter in first for delimiter in _NEED_A_HEADER):
            raise self._fault(
                f"has several columns and no header {self._column}: add a header that names the "
                f"column {self._column}, or write one value per line"
            )
        return _Layout([self._column], has_header=self._index([_unquoted(first)]) is not None)

    def _index(self, names: Sequence[str]) -> int | None:
        """Return the index of the column of keys among column names; None if it is missing."""
        wanted = comparable_name(self._column)
        bare = [name.strip() for name in names]
        if self._column in bare:
            return bare.index(self._column)
        return next((at for at, name in enumerate(bare) if comparable_name(name) == wanted), None)

    def _keys_of(self, file: t.TextIO, layout: _Layout) -> Iterator[str]:
        keys = self._in_column(file, layout) if layout.delimiter else _one_a_line(file)
        if not layout.has_header:
            return keys
        return _without_first(keys)

    def _in_column(self, file: t.TextIO, layout: _Layout) -> Iterator[str]:
        rows, before = csv.reader(file, delimiter=layout.delimiter or ","), 0
        for row in rows:
            key = row[layout.index].strip() if len(row) > layout.index else ""
            if not key and any(map(str.strip, row)):
                self.keyless += 1
            yield key
            for _ in range(rows.line_num - before - 1):
                yield ""
            before = rows.line_num

    def _fault(self, fault: str) -> SettingsError:
        return SettingsError(f"{self._setting}: {self._path} {fault}.")


def _cells(file: t.TextIO, layout: _Layout) -> Iterator[Sequence[str]]:
    """Return an iterator of the cells of each row; a blank line has no cells."""
    if layout.delimiter:
        return csv.reader(file, delimiter=layout.delimiter)
    return ([key] if key else [] for key in _one_a_line(file))


def _one_a_line(lines: t.TextIO) -> Iterator[str]:
    for line in lines:
        key = line.strip()
        yield _unquoted(key) if key[:1] == '"' else key


def _without_first(keys: Iterator[str]) -> Iterator[str]:
    """Yield the keys of a file, with an empty string in place of the first, the header."""
    for key in keys:
        yield ""
        if key:
            break
    yield from keys


def _unquoted(key: str) -> str:
    """Return a key without the quotation marks around it, as in exports that quote every value."""
    return key[1:-1].replace('""', '"').strip() if _QUOTED.fullmatch(key) else key


def _encoding(start: bytes) -> str:
    for byte_order_mark, encoding in _BYTE_ORDER_MARKS.items():
        if start.startswith(byte_order_mark):
            return encoding
    # UTF-8 text contains no NUL; in UTF-16 every other byte of ASCII text is a NUL.
    if b"\0" in start[:2]:
        return "utf-16-be" if start[:1] == b"\0" else "utf-16-le"
    return "utf-8"
