"""Run tap, target and client in this process, and collect their log lines."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import typing as t

import requests_mock
from singer_sdk.exceptions import ConfigValidationError

from marketo_opps import ConnectionSettings, MarketoClient
from marketo_opps.plugin.process import ShutdownSignal
from tap_marketo_opps.singer_writer import MessageWriter
from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.target import TargetMarketoOpps

NOBODY = "http://127.0.0.1:9"
SETTINGS = {"endpoint": NOBODY, "client_id": "an-id", "client_secret": "hush"}
VALUES = {"filter_values": ["OPP-0000001"]}


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def said_by(action: t.Callable[[], object]) -> list[str]:
    """Return the lines that a run logs, and the message of its error."""
    handler, logger = _Lines(), logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        action()
    except ConfigValidationError as error:
        handler.lines += error.errors
    except Exception as error:  # noqa: BLE001 - what it is is for the page to say
        handler.lines.append(str(error))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    return handler.lines


class Nowhere(MessageWriter):
    """A message writer that writes nothing."""

    def write(self, lines: bytes) -> None:
        pass


def tap(where: t.Any, state: t.Any = None, catalog: t.Any = None, **settings: t.Any) -> None:
    """Run the tap to its end.

    Args:
        where: a sandbox, or nothing for an instance that is not there.
        state, catalog: what the files hold.
        settings: on top of credentials.
    """
    one = TapMarketoOpps(
        config={**_credentials(where), "max_retry_seconds": 0, **settings},
        state=state,
        catalog=catalog,
        message_writer=Nowhere(),
    )
    try:
        one.sync_all()
    finally:
        one.client.close()


def target(
    where: t.Any,
    *messages: t.Any,
    shutdown: ShutdownSignal | None = None,
    **settings: t.Any,
) -> None:
    """Run the target over messages: objects, or lines of bytes."""
    lines = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in messages)
    with contextlib.redirect_stdout(io.StringIO()):
        one = TargetMarketoOpps(config={**_credentials(where), "max_retry_seconds": 0, **settings})
        one.shutdown = shutdown or ShutdownSignal()
        one.listen(io.BytesIO(b"".join(line + b"\n" for line in lines)))


def client(where: t.Any = None, **settings: t.Any) -> MarketoClient:
    """Return a client that does not retry."""
    config = {**_credentials(where), "max_retry_seconds": 0, **settings}
    return MarketoClient(ConnectionSettings.from_config(config))


def _credentials(where: t.Any) -> dict[str, str]:
    return SETTINGS if where is None else where.credentials


@contextlib.contextmanager
def answering(token: t.Any = None, **answer: t.Any) -> t.Iterator[None]:
    """Answer all calls with this response of `requests_mock`, and authentication with a token."""
    with requests_mock.Mocker() as mock:
        mock.register_uri(requests_mock.ANY, requests_mock.ANY, **answer)
        good = {"json": {"access_token": "t", "expires_in": 3600}}
        mock.post(f"{NOBODY}/identity/oauth/token", **(token or good))
        yield


def schema(*names: str, stream: str = "opportunities", **more: t.Any) -> dict[str, t.Any]:
    properties = {name: {} for name in names or ("externalOpportunityId", "name", "amount")}
    message = {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}}
    return {**message, "key_properties": [], **more}


def record(stream: str = "opportunities", **values: t.Any) -> dict[str, t.Any]:
    return {"type": "RECORD", "stream": stream, "record": values}
