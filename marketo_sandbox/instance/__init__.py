"""A simulated Marketo instance without HTTP: records, rules, limits and storage."""
