"""Removes secrets from all log lines and error texts of the process.

The URL of a token request contains the client secret, and urllib3 (at DEBUG) and exceptions of
requests print URLs. So secrets are removed where log records are made, before any handler or
formatter, and not only in this package's own log calls.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import traceback
import typing as t
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"

# Messages about a setting go on with "must be" after its quoted name: unlike a secret after such a
# name, these words are not in quotes.
_SECRET_PARAMETER = re.compile(
    r"(?i)\b(client_secret|access_token)([\"'\\]*\s*(?:=|:|%3D)\s*[\"'\\]*)"
    r"(?!(?<=': )must be )[^\s&\"',;)}\\]+"
)
_BEARER = re.compile(r"(?i)\b(bearer)\s+[\w.~+/:-]{8,}=*")
# Query strings hold customers' keys, and that of a token request holds the client secret.
_QUERY = re.compile(r"(/(?:rest|identity)/[^\s?\"']*)\?[^\s\"')>]+")
_SHORTEST_SECRET = 4


class Redactor:
    """Replaces secrets in texts: by pattern, and by the values passed to `protect`."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def protect(self, secret: str) -> None:
        """Remember a secret, which `redact` replaces: as it is, URL-encoded, or quoted.

        Values with fewer than four characters are ignored, because they would remove parts of most
        words.
        """
        if len(secret) < _SHORTEST_SECRET or secret in self._secrets:
            return
        with self._lock:
            forms = {*self._secrets, *_forms(secret)}
            self._secrets = tuple(sorted(forms, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Return the text with every secret in it replaced by `[redacted]`."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        text = _QUERY.sub(rf"\1?{REDACTED}", text)
        text = _SECRET_PARAMETER.sub(rf"\1\2{REDACTED}", text)
        return _BEARER.sub(rf"\1 {REDACTED}", text)


def _forms(secret: str) -> set[str]:
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }


REDACTOR = Redactor()
"""The redactor of this process: a secret of one client must not be logged by another one."""


class RedactingFactory:
    """Factory of log records: calls the factory that it replaces, then removes secrets."""

    def __init__(self, make: t.Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> logging.LogRecord:
        """Return a log record whose message and traceback contain no secret."""
        record = self._make(*args, **kwargs)
        _redact_message(record)
        _redact_traceback(record)
        return record


def install(factory: type[RedactingFactory] = RedactingFactory) -> None:
    """Redact every log record of this process from now on; installing twice is harmless."""
    if not isinstance(logging.getLogRecordFactory(), factory):
        logging.setLogRecordFactory(factory(logging.getLogRecordFactory()))


def _redact_message(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit may raise anything
        # Otherwise the handler would print the error together with the arguments.
        message, record.args = str(record.msg), ()
    redacted = REDACTOR.redact(message)
    if redacted != message:
        record.msg, record.args = redacted, ()


class RedactedError(Exception):
    """Takes the place of a logged exception in whose traceback is a secret; has the text of both.

    Formatters that read `exc_info` themselves would print the secret.
    """


def _redact_traceback(record: logging.LogRecord) -> None:
    if not record.exc_info or record.exc_info[0] is None:
        return
    text = "".join(traceback.format_exception(*record.exc_info))
    redacted = REDACTOR.redact(text)
    if redacted != text:
        record.exc_info = (RedactedError, RedactedError(redacted), None)
        # What `logging.Formatter` writes instead of formatting the exception.
        record.exc_text = redacted.rstrip("\n")
