"""Other people's process tables in, a table of ours out: supervisord.conf and Procfile.

Rule 1: the meaning is carried over, not the letters: what a program that works does stays as it was.
Rule 2: nothing is lost silently: what cannot be carried over is a comment where it belongs, and a warning.
Rule 3: what comes out is a valid table.
"""
