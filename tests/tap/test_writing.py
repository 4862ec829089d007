"""Lines on their way to standard output."""

from __future__ import annotations

import io
import sys

from tap_marketo_opps.writer import MessageWriter


class BarePipe(io.BytesIO):
    """What stdout is where Python does not buffer: a write takes what there is room for."""

    def write(self, data):
        return super().write(bytes(data[:7]))


def test_a_write_that_is_cut_short_goes_on_where_it_was(monkeypatch):
    pipe = BarePipe()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))
    lines = b'{"type":"STATE","value":{}}\n' * 3
    MessageWriter().write(lines)
    assert pipe.getvalue() == lines
