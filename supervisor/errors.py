"""Every exception that supinit raises. A class exists only where somebody catches it differently."""

from __future__ import annotations


class SupinitError(Exception):
    """An error that is one sentence for the operator."""


class UsageError(SupinitError):
    """The command line is wrong (exit code 64)."""


class ConfigError(SupinitError):
    """The configuration is invalid. `problems` holds one `FILE:LINE:COLUMN: PATH: sentence` each, in reading order."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StartError(SupinitError):
    """Nothing can be started here, such as an unusable run_dir (exit code 78)."""


class SpawnError(SupinitError):
    """A process cannot be started.

    `code` is the exit code that a shell would use: 127 for a command that was not found, 126 for one that cannot be
    executed. None: something else failed, and another try may succeed.
    """

    def __init__(self, sentence: str, code: int | None) -> None:
        super().__init__(sentence)
        self.code = code


class ExecutableBusy(SpawnError):
    """The executable is open for writing (ETXTBSY): another try in a moment may succeed."""
