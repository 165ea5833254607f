"""A TCP proxy that breaks connections on demand. It sits on the port that a broker advertises.

``python -m tests.broker.proxy PORT UPSTREAM DELAY`` runs one until the end of its input.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.broker.metadata import BrokerHider
from tests.broker.ports import HOST

T = TypeVar("T")
_CHUNK = 64 * 1024


class Proxy:
    """Passes bytes between clients at `port` and a server at `upstream`, from a thread of its own.

    Parameters
    ----------
    port : int
        Where clients come.
    upstream : int
        Where the server listens.

    Attributes
    ----------
    connections : int
        Connections accepted so far.
    """

    def __init__(self, port: int, upstream: int) -> None:
        self._port = port
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._delay = 0.0
        self._answers = True
        self._hiding = False
        self.connections = 0

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for so long, in both directions. Throughput stays."""
        self._call(lambda: setattr(self, "_delay", seconds))

    def cut(self) -> None:
        """Break all connections at once (RST), whatever is under way."""
        self._call(self._abort)

    def lose_answers(self) -> None:
        """From now on pass requests on and swallow the answers, until the next `cut`."""
        self._call(lambda: setattr(self, "_answers", False))

    def hide_brokers(self, hiding: bool = True) -> None:
        """Take the brokers out of metadata, or no more."""
        self._call(lambda: setattr(self, "_hiding", hiding))

    def refuse(self) -> None:
        """Stop listening, and break all connections."""
        self._run(self._close_server())

    def accept(self) -> None:
        """Listen (again)."""
        self._run(self._open_server())

    def close(self) -> None:
        self._run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, function: Callable[[], object]) -> None:
        async def call() -> None:
            function()

        self._run(call())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open_server(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self._port, reuse_address=True)

    async def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._abort()

    async def _shut(self) -> None:
        await self._close_server()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _abort(self) -> None:
        self._answers = True
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            answers, server = await asyncio.open_connection(HOST, self._upstream)
        except OSError:
            client.transport.abort()  # as the server itself would refuse
            return
        both = {client, server}
        self._writers |= both
        hider = BrokerHider()

        def answer(chunk: bytes) -> bytes:
            return hider.answer(chunk, self._hiding) if self._answers else b""

        for source, sink, change in ((reader, server, hider.request), (answers, client, answer)):
            for work in self._pass_on(source, sink, change, both):
                task = asyncio.ensure_future(work)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _pass_on(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        change: Callable[[bytes], bytes],
        both: set[asyncio.StreamWriter],
    ) -> tuple[Coroutine[Any, Any, None], ...]:
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            try:
                while chunk := await source.read(_CHUNK):
                    if changed := change(chunk):
                        chunks.put_nowait((self._loop.time() + self._delay, changed))
            except OSError:
                pass
            finally:
                chunks.put_nowait((0.0, b""))

        async def write() -> None:
            try:
                while (item := await chunks.get())[1]:
                    due, chunk = item
                    if due > self._loop.time():
                        await asyncio.sleep(due - self._loop.time())
                    sink.write(chunk)
                    await sink.drain()
            except OSError:
                pass
            finally:
                for writer in both:
                    writer.transport.abort()
                self._writers -= both

        return read(), write()


def main() -> None:
    port, upstream, delay = sys.argv[1:]
    with Proxy(int(port), int(upstream)) as proxy:
        proxy.delay(float(delay))
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
