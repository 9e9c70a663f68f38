"""The configuration: a table in YAML is read, checked as a whole, and turned into immutable programs.

Owns: YAML, the keys (`schema` declares each one once), presets, variables, the JSON Schema, the warnings of `--check`.
In: paths and the environment. Out: a `Table` for the core, or ConfigError with every problem and its place.
Nothing here starts a process or writes a file. Nothing is imported that the table does not need.
"""
