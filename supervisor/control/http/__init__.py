"""HTTP/1.1 on sockets, for clients that nobody trusts: what they can make supinit hold, or wait for, is bounded.

Owns: listening sockets, the socket file, connections and their limits. It knows no programs.
In: bytes. Out: a `Request` for the router; its `Response`, or its `Stream`, as bytes.
"""
