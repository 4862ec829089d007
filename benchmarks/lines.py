"""Prints any number of Singer lines, each with its own key: `lines.py LINES COUNT`.

The records of a Singer file are repeated with new external ids; a STATE follows every 300 records,
as after a page of the tap.
"""

from __future__ import annotations

import json
import sys
from itertools import cycle, islice
from pathlib import Path

_PAGE_RECORDS = 300


def main(lines_path: str, count: int) -> None:
    """Write a SCHEMA, the records and the STATEs to standard output."""
    lines = Path(lines_path).read_bytes().splitlines(keepends=True)
    kinds = [json.loads(line)["type"] for line in lines]
    state = next(line for line, kind in zip(lines, kinds, strict=True) if kind == "STATE")
    parts = [_around_key(line) for line, kind in zip(lines, kinds, strict=True) if kind == "RECORD"]
    write = sys.stdout.buffer.write
    write(lines[kinds.index("SCHEMA")])
    for number, (head, tail) in enumerate(islice(cycle(parts), count), 1):
        write(b'%b"BENCH-%08d"%b' % (head, number, tail))
        if number % _PAGE_RECORDS == 0 or number == count:
            write(state)


def _around_key(line: bytes) -> tuple[bytes, bytes]:
    key = json.loads(line)["record"]["externalOpportunityId"]
    name = b'"externalOpportunityId":'
    head, tail = line.split(name + json.dumps(key, ensure_ascii=False).encode(), maxsplit=1)
    return head + name, tail


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
