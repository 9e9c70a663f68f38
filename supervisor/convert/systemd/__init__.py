"""Convert systemd's .service units, one or a folder of them.

Owns the syntax of units (`unit`), of command lines (`command`), and what each key becomes (`service`).
In: the text of the units. Out: a `Draft`, filled by `table`, which also turns After= and Requires= into depends_on.
"""
