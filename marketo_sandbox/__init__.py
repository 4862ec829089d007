"""A local server that behaves like a Marketo instance, for tests and for trying things out."""
