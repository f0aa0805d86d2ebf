"""One request to execute a task."""
