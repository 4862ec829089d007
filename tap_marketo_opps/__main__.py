"""Entry point of `python -m tap_marketo_opps`."""

from __future__ import annotations

from tap_marketo_opps.console import main

main()
