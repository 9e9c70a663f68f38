"""supctl's commands, a module for each group; each is imported only when its command is given.

In: a `Call` (command, words, options). Out: text on stdout, errors on stderr, an exit code. `supervisor.client` speaks
to the socket; tables and texts are laid out by the server, so that old clients show new columns.
"""
