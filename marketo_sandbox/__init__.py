"""A Marketo instance on loopback, for trying things out and for tests."""
