"""Read Singer messages and BATCH files."""
