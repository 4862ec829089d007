"""Where the sandbox was before it became the package `marketo_sandbox`."""
