"""Batches, calls, and the outcome of every record."""
