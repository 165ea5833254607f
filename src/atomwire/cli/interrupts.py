"""Ctrl-C that is not lost."""

import _thread
import sys
from collections.abc import Callable
from typing import Any


def keep_interrupts() -> None:
    """Have a Ctrl-C delivered again when Python has swallowed it.

    Where the interrupt happens to be raised in a weak reference's callback or a destructor, Python
    reports it as unraisable and goes on as if nothing had been pressed.
    """
    sys.unraisablehook = _again(sys.unraisablehook)


def _again(otherwise: Callable[[Any], object]) -> Callable[[Any], None]:
    def hook(unraisable: Any) -> None:
        if unraisable.exc_type is KeyboardInterrupt:
            _thread.interrupt_main()
        else:
            otherwise(unraisable)

    return hook
