"""Define the errors that end a run of the target, in addition to the client's errors.

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
    """A line of the input is invalid; the message names the line and never quotes it."""


class NoSchemaError(InputError, RecordsWithoutSchemaException):
    """A RECORD arrived before the SCHEMA of its stream."""


class UnwritableStreamError(MarketoError):
    """A stream cannot be written to Marketo as its SCHEMA describes it."""


class RejectLimitError(MarketoError):
    """More records were rejected than `max_rejects` allows."""
