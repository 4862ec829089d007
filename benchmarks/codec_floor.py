"""Decodes and encodes each record as JSON: the minimum CPU time of any tap or target.

`codec_floor.py LINES COUNT` repeats the records of a Singer file until there are COUNT of them.
"""

from __future__ import annotations

import decimal
import sys
from itertools import cycle, islice
from pathlib import Path

import msgspec


def main(lines_path: str, count: int) -> None:
    decoder = msgspec.json.Decoder(float_hook=decimal.Decimal)
    encoder = msgspec.json.Encoder(decimal_format="number")
    with Path(lines_path).open("rb") as file:
        lines = [line for line in file if b'"RECORD"' in line[:40]]
    for line in islice(cycle(lines), count):
        sys.stdout.buffer.write(encoder.encode(decoder.decode(line)) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
