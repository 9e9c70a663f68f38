"""The lives of programs and of their init, which is a real PID 1: started, stopped, replaced, reaped."""
