"""A Marketo instance: records, rules, limits and storage; knows no HTTP."""
