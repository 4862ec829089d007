"""Errors of a plugin's process."""

from __future__ import annotations

from marketo_opps.errors import MarketoError


class OutputError(MarketoError):
    """Standard output cannot be written, for example because its disk is full."""


class OutputFileError(MarketoError):
    """A file that a setting names cannot be opened or written."""
