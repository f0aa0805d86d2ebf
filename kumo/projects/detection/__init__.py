"""What a project is and needs, read from its files alone."""
