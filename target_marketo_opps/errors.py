"""Errors that end a run of the target, besides those that Marketo reports.

MarketoError
├── InputError              a line that cannot be used
│   └── NoSchemaError       a record before its schema
├── UnwritableStreamError   a stream that cannot be written as it is described
└── RejectLimitError        more rejected records than max_rejects
"""

from __future__ import annotations

from singer_sdk.exceptions import RecordsWithoutSchemaException

from marketo_opps import MarketoError


class InputError(MarketoError):
    """A line of the input cannot be used; the message names the line and never quotes it."""


class NoSchemaError(InputError, RecordsWithoutSchemaException):
    """A record came before the schema of its stream."""


class UnwritableStreamError(MarketoError):
    """A stream that cannot be written as its SCHEMA describes it."""


class RejectLimitError(MarketoError):
    """More records were rejected than `max_rejects` allows."""
