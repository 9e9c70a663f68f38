"""Convert a supervisord.conf.

Owns supervisord's syntax and rules: sections and lines (`ini`), [include] (`files`), %(name)s (`expansion`).
In: the text of the file and the environment. Out: a `Draft`, filled by `table`, with each section's part in
`settings`, `program`, `output`, `environment`, `instances` and `priorities`.
"""
