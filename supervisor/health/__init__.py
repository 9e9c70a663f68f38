"""Ask programs how they are, hear what they say about themselves, and publish the result.

Owns the probes, the notify sockets and readiness descriptors of programs, the marker files in run_dir, and the notify
socket of the manager that started supinit (systemd, podman).
In: the `healthcheck` and `ready` settings; datagrams (sd_notify(3)); snapshots of the container.
Out: `ProbeResult`, `Datagram` and `ReadinessNewline` for the engine; files and datagrams for everybody outside.
"""
