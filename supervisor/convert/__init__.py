"""Convert other process tables to supinit's. One module or package for each source format.

In: the path of a supervisord.conf or a Procfile. Out: the text of a table, and one warning for each loss.
Every format fills a `draft.Draft`: the programs by name, comments, and findings with file and line.
Rule 1: the meaning is kept: a program that works runs under supinit as it did before.
Rule 2: nothing is lost silently: it becomes a comment in the table and a warning. Rule 3: the table is valid.
"""
