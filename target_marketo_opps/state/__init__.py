"""Which STATE may go out, and when."""
