"""The one error that a command shows to its user."""


class CommandError(Exception):
    """Something the user can put right: shown as one line on stderr, without a traceback.

    Parameters
    ----------
    message : str
        What was wrong, with its name and value, and the way out.
    exit_code : int
        What the process ends with.
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


INTERRUPTED = 130
"""The exit code of a process that Ctrl-C ended, as shells count it: 128 + SIGINT."""
