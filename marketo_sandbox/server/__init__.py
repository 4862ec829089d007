"""The sandbox over HTTP: routes, parsing, responses, faults, journal and control calls."""
