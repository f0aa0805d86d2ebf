"""Projects from git: their repositories, the credentials and hosts that open them, and the loop that pulls."""
