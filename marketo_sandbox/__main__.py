"""``python -m marketo_sandbox``: run the command line without its console script."""

from __future__ import annotations

import sys

from marketo_sandbox.cli import main

sys.exit(main())
