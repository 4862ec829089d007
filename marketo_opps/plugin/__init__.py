"""What the tap and the target share: the command line, settings, signals and workers."""
