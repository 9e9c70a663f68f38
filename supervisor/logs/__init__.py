"""Read what programs write, and write it to the container's stdout and stderr, to log files, and to `supctl logs`.

Owns the output pipes, the log files, the kept end of each instance's output, and supinit's own log.
In: bytes from pipes; the `log` settings of each program; events (`LogEvent`) from the engine.
Out: whole lines at their destinations; byte counts (`Output`); a report when something is lost or cannot be written.
Never blocks the loop, and never loses a line without counting it.
"""
