"""Whatever comes from outside: bytes in, and an answer or a refusal out, in bounded time. Never anything else.

`python -m tests.fuzz --seconds 60 [TARGET...]` mutates the corpus for so long. What breaks a target is added to it.
"""
