"""Tell whoever still loads the pytest plugin from here where it has gone."""

from __future__ import annotations

raise ImportError(
    "The sandbox's pytest plugin is now 'marketo_sandbox.pytest_plugin': name that in "
    "pytest_plugins instead of 'marketo_opps.sandbox.pytest_plugin'."
)
