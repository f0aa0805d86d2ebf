"""What to run, how and when."""
