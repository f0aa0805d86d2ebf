"""Variables: names and values that runs are given, for all of them, for a project or for one task; some are secret."""
