"""For tests that press Ctrl-C."""

import signal


def hear_ctrl_c() -> None:
    """Undo what a background job of a shell does to its children: ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
