"""From publish in this process to peek in another one, at a steady rate."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import atomwire
from atomwire.bus import EventBus, EventConsumer
from benchmarks.bus import events
from benchmarks.bus.brokers import Broker

PER_SECOND = 1_000
# Before anything counts: a listener in its group, and a Java broker that has compiled what it does
# all the time. A cold one takes the CPUs for its compiler, and the tail shows nothing else.
WARM_UP = 30_000

Nanoseconds = npt.NDArray[np.int64]


def measure(broker: Broker, profile: str, seconds: float) -> Nanoseconds:
    """Return the latency of every event after the first ones."""
    topic = broker.topic()
    count = WARM_UP + int(seconds * PER_SECOND)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "latencies.npy"
        command = [sys.executable, "-m", "benchmarks.bus.latency"]
        arguments = [broker.servers, topic, str(count), str(result)]
        with (
            subprocess.Popen(
                [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as listener,
            EventBus(broker.servers, topic, profile=profile) as bus,
        ):
            assert listener.stdout is not None
            assert listener.stdout.readline() == b"ready\n"
            encoders = [atomwire.Encoder(tenant).cell for tenant in events.TENANTS]

            def publish(number: int) -> None:
                cell = encoders[number % len(encoders)]
                bus.publish(cell(number, float(number)))

            steadily(count, PER_SECOND, publish)
            assert bus.flush(30) == 0
            assert listener.wait(60) == 0, "the listener failed"
        latencies: Nanoseconds = np.load(result)
    return latencies[WARM_UP:]


def steadily(count: int, per_second: float, work: Callable[[int], object]) -> None:
    """Call `work` with 0 to `count`, each when it is due."""
    start = time.perf_counter()
    for number in range(count):
        ahead = start + number / per_second - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
        work(number)


def listen(brokers: str, topic: str, count: int, result: str) -> None:
    """Peek events until all have come; the event's own timestamp says when it was encoded."""
    latencies = np.full(count, -1, np.int64)
    latest = [-1] * len(events.TENANTS)
    consumer = EventConsumer(brokers, topic, f"{topic}-listener", group_protocol="consumer")
    print("ready", flush=True)
    left = count
    try:
        for batch in consumer.batches(max_wait=1.0):
            if not batch.messages:
                continue
            numbers = batch.coordinate_hashes()[:, 0]
            now = time.time_ns()
            for number, message in zip(numbers.tolist(), batch.messages, strict=True):
                latencies[number] = now - atomwire.peek_timestamp(message.value())
                tenant = number % len(latest)
                assert latest[tenant] < number, "a tenant is out of order, or an event came twice"
                latest[tenant] = number
            left -= len(numbers)
            if left <= 0:
                break
    finally:
        consumer.close()
    assert (latencies > 0).all(), "an event is missing"
    np.save(result, latencies)


if __name__ == "__main__":
    listen(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
