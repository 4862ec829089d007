"""What holds for all tests."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["marketo_sandbox.pytest_plugin"]

# A busy machine is no fault of the code: speed is the benchmarks' concern.
hypothesis.settings.register_profile(
    "busy_machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy_machine")

HERE = Path(__file__).parent
# What starts processes, or other people's programs, for nearly every test of it.
SLOW = ("interop", "manual", "packaging", "pipeline", "soak", "test_benchmarks.py", "test_docs.py")


def pytest_collection_modifyitems(items):
    """Keep whole folders of slow tests out of `make test-fast` without a mark in each file."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).parts[0] in SLOW:
            item.add_marker(pytest.mark.slow)
