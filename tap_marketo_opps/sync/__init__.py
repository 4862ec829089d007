"""Runs that find records: where a run begins, how it writes pages, and the state it saves."""
