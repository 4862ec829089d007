"""``python -m marketo_sandbox``, where the console script is not on the path."""

from __future__ import annotations

import sys

from marketo_sandbox.cli import main

sys.exit(main())
