"""Ctrl-C that is not lost."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

_LATER_SECONDS = 0.02


def keep_interrupts() -> None:
    """Have a Ctrl-C delivered again when Python has swallowed it.

    Where the interrupt happens to be raised in a weak reference's callback or a destructor, Python
    reports it as unraisable and goes on as if nothing had been pressed.
    """
    sys.unraisablehook = _again(sys.unraisablehook)


def _again(otherwise: Callable[[Any], object]) -> Callable[[Any], None]:
    def hook(unraisable: Any) -> None:
        if unraisable.exc_type is KeyboardInterrupt:
            # From elsewhere and a little later: at once would be inside the same callback.
            threading.Timer(_LATER_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            otherwise(unraisable)

    return hook
