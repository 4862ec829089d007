"""A local stand-in for a Marketo instance, for tests and for trying things out."""
