"""What scripts leave in the output directory of their project."""
