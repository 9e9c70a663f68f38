"""The lives of programs and of their init, as real PID 1 in namespaces of its own: started, stopped, replaced, reaped."""
