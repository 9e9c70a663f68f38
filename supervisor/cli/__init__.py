"""The two commands, supinit and supctl: they read a command line, call the layers below, and return an exit code.

Owns: options, help, man pages, `--check` with its warnings, and what is printed. `ctl/` has supctl's commands.
In: arguments. Out: text and exit codes. supctl imports only what its command needs: `healthcheck` runs all the time.
"""
