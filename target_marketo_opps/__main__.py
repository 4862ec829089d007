"""`python -m target_marketo_opps`, where the console script is not on the path."""

from __future__ import annotations

from target_marketo_opps.console import main

main()
