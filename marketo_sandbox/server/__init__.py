"""The sandbox's HTTP server: routes, parsing, responses, faults, journal and control calls."""
