"""Projects: the code that runs, each state of it kept, and the files that it writes."""
