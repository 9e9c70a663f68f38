"""Asking programs how they are, and saying it on: probes and marker files."""
