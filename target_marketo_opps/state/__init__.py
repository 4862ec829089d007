"""Decide when a STATE may be written, and write it to standard output."""
