"""How long publish keeps its caller, call by call, whatever the broker does."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import atomwire
from atomwire.bus import EventBus
from benchmarks.bus import events
from benchmarks.bus.brokers import Broker
from benchmarks.bus.latency import Nanoseconds, steadily

SLOW_SECONDS = 0.2
CLOSE_SECONDS = 120.0
SHORT_QUEUE = 100
# Turns of an empty loop that take about as long as a publish.
LOOP = 140


@dataclass(frozen=True)
class Waits:
    """Nanoseconds of each call, and whether the kernel gave the CPU to another thread meanwhile.

    What the caller waits for by itself (a lock, the interpreter, the broker) is no such switch.
    """

    nanoseconds: Nanoseconds
    preempted: npt.NDArray[np.bool_]


def loop_beside(broker: Broker, count: int, per_second: float) -> Waits:
    """Measure an empty loop while another process publishes as much: what the machine adds."""
    command = [sys.executable, "-m", "benchmarks.bus.waits", broker.servers, broker.topic()]
    arguments = [str(count), str(per_second)]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE) as beside:
        assert beside.stdout is not None
        assert beside.stdout.readline() == b"ready\n"
        waits = _time(lambda _: [None for _ in range(LOOP)], count, per_second)
        assert beside.wait(CLOSE_SECONDS) == 0
    return waits


def broker_up(broker: Broker, count: int, per_second: float) -> Waits:
    """Measure with a broker that answers at once."""
    return _measure(broker, broker.servers, count, per_second)


def broker_slow(broker: Broker, count: int, per_second: float) -> Waits:
    """Measure with a broker whose connections are slow."""
    assert broker.cluster is not None
    address = broker.cluster.addresses[0]
    with _proxy(address.proxied, address.behind):
        return _measure(broker, broker.cluster.proxied_servers, count, per_second)


def broker_gone(broker: Broker, count: int, per_second: float) -> Waits:
    """Measure with a broker that is killed before, and back before the end."""
    return _measure(broker, broker.servers, count, per_second, away=True)


def spooling(broker: Broker, count: int, per_second: float) -> Waits:
    """Measure with a killed broker and a queue so short that nearly all events go to the disk."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"queue_size": SHORT_QUEUE, "spool_dir": folder}
        return _measure(broker, broker.servers, count, per_second, away=True, **options)


def _measure(
    broker: Broker,
    servers: str,
    count: int,
    per_second: float,
    *,
    away: bool = False,
    **options: Any,
) -> Waits:
    topic = broker.topic()
    ready = events.cells(count)
    bus = EventBus(servers, topic, **{"queue_size": 2 * count, **options})
    first = atomwire.encode(events.TENANTS[0], type=atomwire.EventType.HEARTBEAT)
    bus.publish(first)
    assert bus.flush(30) == 0

    only = [event for _, event in ready]
    with _absence(broker) if away else nullcontext():
        waits = _time(lambda number: bus.publish(only[number]), count, per_second)
    bus.close(CLOSE_SECONDS)
    events.check_all(broker.servers, topic, [(events.TENANTS[0], first), *ready])
    return waits


def _time(work: Callable[[int], object], count: int, per_second: float) -> Waits:
    nanoseconds = np.empty(count, np.int64)
    preempted = np.empty(count, np.bool_)
    clock, usage, thread = time.perf_counter_ns, resource.getrusage, resource.RUSAGE_THREAD

    def timed(number: int) -> None:
        switches = usage(thread).ru_nivcsw
        start = clock()
        work(number)
        nanoseconds[number] = clock() - start
        preempted[number] = usage(thread).ru_nivcsw > switches

    steadily(count, per_second, timed)
    return Waits(nanoseconds, preempted)


def _publish_beside(brokers: str, topic: str, count: int, per_second: float) -> None:
    only = [event for _, event in events.cells(count)]
    with EventBus(brokers, topic) as bus:
        print("ready", flush=True)
        steadily(count, per_second, lambda number: bus.publish(only[number]))


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


if __name__ == "__main__":
    _publish_beside(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
