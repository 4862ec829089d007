"""Reads and upserts with marketorestpython, used as its README shows.

`peer.py [--no-sleep] CONFIG read VALUES_FILE` writes JSON lines; `peer.py CONFIG write` reads
Singer lines. marketorestpython sleeps 0.2 s between calls; `--no-sleep` removes that.
"""

from __future__ import annotations

import json
import sys
import time
import types
import typing as t
from itertools import islice
from pathlib import Path

from marketorestpython.client import MarketoClient
from marketorestpython.helper import http_lib

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CALL_RECORDS = 300
_T = t.TypeVar("_T")


def main(*arguments: str) -> None:
    if arguments[0] == "--no-sleep":
        take_sleep_out()
        arguments = arguments[1:]
    config_path, does, *more = arguments
    client = _client(json.loads(Path(config_path).read_text(encoding="utf-8")))
    if does == "read":
        read(client, more[0])
    else:
        write(client)


def take_sleep_out() -> None:
    http_lib.time = types.SimpleNamespace(time=time.time, sleep=lambda _seconds: None)


def _client(config: dict[str, str]) -> MarketoClient:
    client = MarketoClient("sandbox", config["client_id"], config["client_secret"])
    client.host = config["endpoint"]
    return client


def read(client: MarketoClient, values_path: str) -> None:
    fields = ",".join(field["name"] for field in client.describe_opportunity()[0]["fields"])
    with Path(values_path).open(encoding="utf-8") as file:
        for values in _chunks(line.rstrip("\n") for line in file):
            found = client.get_opportunities(
                filterType="externalOpportunityId",
                filterValues=values,
                fields=fields,
                batchSize=_CALL_RECORDS,
            )
            for record in found:
                sys.stdout.write(json.dumps(record) + "\n")


def write(client: MarketoClient) -> None:
    fields = client.describe_opportunity()[0]["fields"]
    wanted = {field["name"] for field in fields if field["updateable"]} | {"externalOpportunityId"}
    for records in _chunks(_records(wanted)):
        results = client.create_update_opportunities(records, action="createOrUpdate")
        skipped = sum(result["status"] == "skipped" for result in results)
        if skipped:
            sys.exit(f"{skipped} records were skipped")


def _records(wanted: set[str]) -> Iterator[dict[str, t.Any]]:
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "RECORD":
            yield {name: value for name, value in message["record"].items() if name in wanted}


def _chunks(values: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(values)
    while chunk := list(islice(iterator, _CALL_RECORDS)):
        yield chunk


if __name__ == "__main__":
    main(*sys.argv[1:])
