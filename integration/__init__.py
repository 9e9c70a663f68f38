"""Black-box tests: the installed commands, as a real PID 1, with real programs and real signals."""
