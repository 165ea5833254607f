"""Ports of loopback that stay ours while nobody listens on them."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


class Ports:
    """Reserves free ports: bound and not listening, so that a server may share them.

    Without this a port may be given to somebody else while a killed broker is away, or to a client
    that tries to reach it, which is then connected to itself.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """Return a port that nobody else is given until `release`."""
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, 0))
        self._held.append(held)
        return int(held.getsockname()[1])

    def release(self) -> None:
        while self._held:
            self._held.pop().close()
