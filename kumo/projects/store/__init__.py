"""Every state of every project: each content once, named by its hash."""
