"""Tasks as code: a file in a project says which tasks there are, and what differs is shown and applied."""
