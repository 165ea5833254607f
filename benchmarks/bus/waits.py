"""How long publish keeps its caller, call by call, whatever the broker does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np

import atomwire
from atomwire.bus import EventBus
from benchmarks.bus import events
from benchmarks.bus.brokers import Broker
from benchmarks.bus.latency import Nanoseconds, steadily

SLOW_SECONDS = 0.2
CLOSE_SECONDS = 120.0


def broker_up(broker: Broker, count: int, per_second: float) -> Nanoseconds:
    """Measure with a broker that answers at once."""
    return _measure(broker, broker.servers, count, per_second)


def broker_slow(broker: Broker, count: int, per_second: float) -> Nanoseconds:
    """Measure with a broker whose connections are slow."""
    assert broker.cluster is not None
    address = broker.cluster.addresses[0]
    with _proxy(address.proxied, address.behind):
        return _measure(broker, broker.cluster.proxied_servers, count, per_second)


def broker_gone(broker: Broker, count: int, per_second: float) -> Nanoseconds:
    """Measure with a broker that is killed before, and back before the end."""
    return _measure(broker, broker.servers, count, per_second, away=True)


def _measure(
    broker: Broker, servers: str, count: int, per_second: float, *, away: bool = False
) -> Nanoseconds:
    topic = broker.topic()
    waits = np.empty(count, np.int64)
    ready = events.cells(count)
    clock = time.perf_counter_ns
    bus = EventBus(servers, topic, queue_size=2 * count)
    first = atomwire.encode(events.TENANTS[0], type=atomwire.EventType.HEARTBEAT)
    bus.publish(first)
    assert bus.flush(30) == 0

    def publish(number: int) -> None:
        event = ready[number][1]
        start = clock()
        bus.publish(event)
        waits[number] = clock() - start

    with _absence(broker) if away else nullcontext():
        steadily(count, per_second, publish)
    bus.close(CLOSE_SECONDS)
    events.check_all(broker.servers, topic, [(events.TENANTS[0], first), *ready])
    return waits


@contextmanager
def _proxy(port: int, upstream: int) -> Iterator[None]:
    # In a process of its own: in ours it would compete for the interpreter lock.
    command = [sys.executable, "-m", "tests.broker.proxy", str(port), str(upstream)]
    with subprocess.Popen(
        [*command, str(SLOW_SECONDS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
        process.stdin.close()


@contextmanager
def _absence(broker: Broker) -> Iterator[None]:
    assert broker.cluster is not None
    (node,) = broker.cluster.nodes
    node.kill()
    yield
    node.start()
    broker.cluster.wait_ready()
