"""The Marketo opportunities API: finding, pacing, reading and writing, told of no Singer."""

from __future__ import annotations
