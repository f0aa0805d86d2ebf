"""Package indexes: how they are reached, and which packages they list."""
