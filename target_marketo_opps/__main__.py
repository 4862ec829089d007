"""Run `target-marketo-opps` by `python -m target_marketo_opps`."""

from __future__ import annotations

from target_marketo_opps.console import main

main()
