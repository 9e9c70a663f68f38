"""Convert other process tables to supinit's. One module or package for each source format, found by `formats`.

In: a path: supervisord.conf, Procfile, compose.yaml, s6-overlay tree, runit service directory, systemd units.
Out: the text of a table, and one warning for each loss. Every format fills a `draft.Draft`.
Rule 1: the meaning is kept: a program that works runs under supinit as it did before.
Rule 2: nothing is lost silently: it becomes a comment in the table and a warning. Rule 3: the table is valid.
"""
