"""supinit: the init for containers that run more than one process."""

__version__ = "0.1.0"
