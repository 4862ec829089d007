"""Raises an error that names the new module of the sandbox's pytest plugin."""

from __future__ import annotations

raise ImportError(
    "The sandbox's pytest plugin is now 'marketo_sandbox.pytest_plugin': name that in "
    "pytest_plugins instead of 'marketo_opps.sandbox.pytest_plugin'."
)
