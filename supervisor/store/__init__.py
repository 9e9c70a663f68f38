"""The helper process of a oneshot with `once.store`: it alone talks to the database.

Imports only the core, and the client of the one database that it is for.
"""
