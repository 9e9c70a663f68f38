"""The endpoints: each takes a `Request` and the `Console`, and returns a `Response` in JSON or in text for people.

Owns: names and patterns, the shapes of answers, tables and their layout, and when something that was asked for is done.
In: requests, and the container's snapshot. Out: responses, or `RequestError` with a code and a sentence.
"""
