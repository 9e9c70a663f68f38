"""The configuration: YAML text in, immutable programs out, or every problem with its place."""
