"""What holds for all tests."""

from __future__ import annotations

import hypothesis

pytest_plugins = ["marketo_sandbox.pytest_plugin"]

# A busy machine is no fault of the code: speed is the benchmarks' concern.
hypothesis.settings.register_profile("no_deadline", deadline=None)
hypothesis.settings.load_profile("no_deadline")
