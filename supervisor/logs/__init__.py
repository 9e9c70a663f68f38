"""Pipes → lines → the container's stdout and stderr. Never blocks, never lies about a loss."""
