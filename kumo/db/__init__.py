"""The database: one truth for everything that Kumo knows."""
