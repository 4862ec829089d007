"""A Marketo sandbox: a stand-in for a Marketo instance, on loopback, for tests and trials."""
