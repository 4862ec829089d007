"""Former name of the sandbox, which is the package `marketo_sandbox` now."""
