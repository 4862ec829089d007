"""One run of a finder: its plan, its pages on their way out, and its state."""
