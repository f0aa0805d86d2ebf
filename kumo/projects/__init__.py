"""The code that is run."""
