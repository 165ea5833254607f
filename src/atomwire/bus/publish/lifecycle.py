"""What becomes of open buses when the process forks or ends.

State: the set of open buses, changed in single steps; and the processes that close them at their
end.
"""

from __future__ import annotations

import _thread
import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Protocol

from atomwire.bus.errors import BusError, DeliveryError
from atomwire.bus.log import LOGGER

__all__ = ["check_threads", "closed", "opened"]


class _Bus(Protocol):
    @property
    def exit_seconds(self) -> float: ...

    def close(self, timeout: float) -> None: ...

    def hold_disk(self) -> Callable[[], None] | None: ...

    def restart_in_child(self) -> None: ...


# Strong references: a bus that its owner forgot to close still has events to deliver.
_OPEN: set[_Bus] = set()
# What lets go on whom a fork has held, by the thread that forks.
_HELD: dict[int, list[Callable[[], None] | None]] = {}
# The processes of multiprocessing that close their buses at the end; one that was forked inherits
# the set, but not the promise.
_FINALIZED_IN: set[int] = set()


def check_threads() -> None:
    """Raise `BusError` where threads are not threads.

    The bus waits in its threads without the interpreter. Where gevent or eventlet have made
    coroutines of them, that would stop the whole process.
    """
    if isinstance(_thread.start_new_thread, BuiltinFunctionType):
        return
    raise BusError(
        f"threads of this process are not real ones: {_thread.start_new_thread.__module__} has "
        "replaced them, and the bus would stop it; call monkey.patch_all(thread=False), or use "
        "the bus in another process"
    )


def opened(bus: _Bus) -> None:
    """Close the bus at the end of the process, unless it is closed before."""
    _OPEN.add(bus)
    _close_at_end_of_child()


def closed(bus: _Bus) -> None:
    """Forget a bus."""
    _OPEN.discard(bus)


def _close_at_end_of_child() -> None:
    # A process of multiprocessing runs no atexit functions. It has the module loaded, and a parent.
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is None or util is None or process.parent_process() is None:
        return
    if os.getpid() not in _FINALIZED_IN:
        _FINALIZED_IN.add(os.getpid())
        util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    # Together they have the time that the most patient of them asks for.
    buses = tuple(_OPEN)
    deadline = time.monotonic() + max((bus.exit_seconds for bus in buses), default=0.0)
    interrupt = None
    for bus in buses:
        left = max(deadline - time.monotonic(), 0.0)
        try:
            bus.close(min(bus.exit_seconds, left))
        except DeliveryError as error:
            LOGGER.error("%s", error)
        except Exception:
            LOGGER.exception("an open bus could not be closed at exit")
        except BaseException as error:  # Ctrl-C: no more waiting, but all have to be closed
            interrupt = error
            deadline = 0.0
    if interrupt is not None:
        raise interrupt


def _before_fork() -> None:
    held = _HELD[threading.get_ident()] = []
    for bus in tuple(_OPEN):  # known one by one: a signal handler may raise in between
        held.append(bus.hold_disk())


def _after_fork_in_parent() -> None:
    for let_go in _HELD.pop(threading.get_ident(), ()):
        if let_go is not None:
            let_go()


def _after_fork_in_child() -> None:
    _HELD.clear()
    _FINALIZED_IN.clear()
    for bus in tuple(_OPEN):
        bus.restart_in_child()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
