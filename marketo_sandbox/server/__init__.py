"""The sandbox over HTTP: routes, parsing, responses, faults, the journal and control calls."""
