"""Due moments become slots and runs."""
