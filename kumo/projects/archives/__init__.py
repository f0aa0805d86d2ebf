"""Archives: what people bring, and what they take away."""
