"""Real servers for the tests: where they are installed, their configuration files, and their entries in a table."""
