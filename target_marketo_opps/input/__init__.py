"""Singer messages and BATCH files in."""
