"""What a command may end with beside success; the message is for the person at the keyboard and says what to do."""

from __future__ import annotations


class CloudRefusedError(Exception):
    """The cloud answered with an error, or could not be asked. status: of HTTP, 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class CommandError(Exception):
    """The command can't be done as given, or did not end well."""
