"""Former place of the sandbox, which is the package `marketo_sandbox` now."""
