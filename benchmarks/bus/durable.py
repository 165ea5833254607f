"""Events a second that are on the disk when `publish` returns: by one thread, and by several."""

from __future__ import annotations

import tempfile
import threading
import time

from atomwire import Encoder
from atomwire.bus import EventBus
from benchmarks.bus import events
from benchmarks.bus.brokers import Broker

THREADS = 8
COUNT = 4_000
FLUSH_SECONDS = 120.0


def in_turns(broker: Broker, rounds: int) -> dict[int, list[float]]:
    """Measure one thread and `THREADS` in turns; return both rates of each round."""
    rates: dict[int, list[float]] = {1: [], THREADS: []}
    for _ in range(rounds):
        for threads, found in rates.items():
            found.append(_measure(broker, threads))
    return rates


def _measure(broker: Broker, threads: int) -> float:
    """Publish `COUNT` events; what the broker is told is sent beside, and is checked."""
    topic, each = broker.topic(), COUNT // threads
    encoders = [Encoder(f"tenant-{number}") for number in range(threads)]
    ready = [[encoder.cell(number, 1.0) for number in range(each)] for encoder in encoders]
    begin = threading.Barrier(threads + 1)
    with (
        tempfile.TemporaryDirectory() as folder,
        EventBus(broker.servers, topic, spool_dir=folder, durable=True) as bus,
    ):

        def publish(mine: list[bytes]) -> None:
            begin.wait()
            for event in mine:
                bus.publish(event)

        workers = [threading.Thread(target=publish, args=(mine,)) for mine in ready]
        for worker in workers:
            worker.start()
        begin.wait()
        start = time.perf_counter()
        for worker in workers:
            worker.join()
        seconds = time.perf_counter() - start
        assert bus.flush(FLUSH_SECONDS) == 0
    published = [(f"tenant-{number}", event) for number, mine in enumerate(ready) for event in mine]
    events.check_all(broker.servers, topic, published)
    return threads * each / seconds
