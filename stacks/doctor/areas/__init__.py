"""What the facts mean: pure functions, a file an area."""
