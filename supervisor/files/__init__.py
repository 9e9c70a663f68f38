"""Watching files: what the kernel tells of them (inotify), and what they look like.

Nothing here is loaded unless a program of the table has `watch`.
"""
