"""Fixtures and hooks of all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["marketo_sandbox.pytest_plugin"]

# A busy machine is no fault of the code: speed is the benchmarks' concern.
hypothesis.settings.register_profile(
    "busy_machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy_machine")

# A shell that starts the tests in the background has them ignore SIGINT, and all their processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
# Nearly every test in these starts processes or whole runs, or waits.
SLOW = (
    "fuzz/",
    "interop/",
    "manual/",
    "marketo_opps/test_transport.py",
    "marketo_opps/test_watchdog.py",
    "packaging/",
    "pipeline/",
    "soak/",
    "tap_marketo_opps/reconcile/",
    "tap_marketo_opps/sync/test_state_property.py",
    "tap_marketo_opps/test_finding_by_list.py",
    "tap_marketo_opps/test_lead_fields.py",
    "tap_marketo_opps/test_typed_page.py",
    "tap_marketo_opps/test_connection_test_results.py",
    "target_marketo_opps/test_merge_versions.py",
    "target_marketo_opps/test_model.py",
    "test_benchmarks.py",
    "test_docs.py",
)


def pytest_collection_modifyitems(items):
    """Keep whole folders of slow tests out of `make test-fast` without a mark in each file."""
    for item in items:
        inside = item.path.is_relative_to(HERE)
        if inside and item.path.relative_to(HERE).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
