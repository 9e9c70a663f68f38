"""The control plane: HTTP and JSON over the Unix socket, metrics and probes; and the client that supctl speaks with."""
