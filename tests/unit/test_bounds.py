"""What waits in memory is bounded, in events and in bytes, whoever made it and whatever fails."""

import subprocess
import sys
import textwrap

import pytest
from confluent_kafka import KafkaError

from atomwire import Molecules, encode
from atomwire.bus import BusFullError, DeliveryError, EventBus
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, nobody, read

LARGE = encode("acme", Molecules([1], text_commentary="x" * 440_000))
# As the settings say: an event counts with its key and this.
OVERHEAD = 512


@pytest.fixture
def away():
    with nobody() as address:
        yield address


def until_full(call, most=100_000):
    """Call with 0, 1 and so on; return how often that went well."""
    for number in range(most):
        try:
            call(number)
        except BusFullError:
            return number
    raise AssertionError("it never is")


def publish_until_full(bus, one, **arguments):
    return until_full(lambda _: bus.publish(one, **arguments))


def fail(bus):
    before = bus._recovery._session
    before.provoke_fatal_error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "sequence lost")
    assert eventually(lambda: bus._recovery._session not in (None, before))


def close_in_vain(bus):
    with pytest.raises(DeliveryError):
        bus.close(timeout=0)


def test_events_without_a_broker(away):
    bus = EventBus(away, TOPIC, queue_size=1_000)
    assert publish_until_full(bus, event()) == 1_000
    assert publish_until_full(bus, event()) == 0
    close_in_vain(bus)


def test_events_while_a_producer_fails_again_and_again(away):
    bus = EventBus(away, TOPIC, queue_size=1_000)
    for _ in range(5):
        publish_until_full(bus, event())
        assert bus.stats().queued == bus.stats().accepted == 1_000
        bus._recovery._pause = 0.0
        fail(bus)
    close_in_vain(bus)


def test_cells_without_a_broker(away):
    bus = EventBus(away, TOPIC, queue_size=100, linger_ms=0)
    assert until_full(lambda number: bus.write("acme", number, 1.0)) == 100
    assert bus.stats().accepted == 100
    close_in_vain(bus)


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_gathered_cells_of_many_tenants(away, known):
    # The first cell of each goes at once, what follows is gathered.
    bus = EventBus(away, TOPIC, queue_bytes=20_000_000, linger_ms=PATIENCE * 1_000)
    text = "x" * 10_000
    tenants = 1_000 if known else 100_000
    if known:
        for number in range(tenants):
            bus.write(f"tenant-{number}", 0, 1.0)
    until_full(
        lambda number: bus.write(f"tenant-{number // 2 % tenants}", 1 + number // tenants, text)
    )
    # Cells have half of what events have.
    stats = bus.stats()
    assert 500 < stats.gathering <= 1_000
    assert stats.queued - known * tenants <= 2_000
    close_in_vain(bus)


def test_tenants_without_cells_do_not_fill_the_queue(embedded_broker):
    # They are remembered for as long as cells linger, as far as there is room for it.
    settings = {
        "queue_bytes": 2_000_000,
        "linger_ms": 1_000 * PATIENCE,
        "batch_size": 1,
        "on_full": "block",
        "block_seconds": PATIENCE,
    }
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings) as bus:
        for number in range(3_000):
            bus.write(f"tenant-{number}", 1, 1.0)
        assert bus.flush(PATIENCE) == 0
    read(embedded_broker, 3_000)


# Both print by how much the process has grown at most.
MOST = """
    import resource, sys
    from atomwire import Molecules, encode
    from atomwire.bus import BusError, DeliveryError, EventBus
    def most():
        with open("/proc/self/status") as status:
            [line] = [each for each in status if each.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
"""

CROWD = """
    with EventBus(sys.argv[1], "cells", queue_size=1_000, on_full="block") as bus:
        before = most()
        for number in range(200_000):
            bus.write(f"tenant-{number}", 1, 1.0)
        assert bus.flush(60.0) == 0
        print(most() - before)
"""


def run(program, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(MOST) + textwrap.dedent(program), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return [int(number) for number in ended.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
def test_a_crowd_of_tenants_that_never_come_back(embedded_broker):
    [grown] = run(CROWD, embedded_broker.bootstrap_servers)
    assert grown < 50_000_000


@pytest.mark.parametrize("queue_bytes", [10_000_000, 100_000])
def test_bytes_without_a_broker(away, queue_bytes):
    bus = EventBus(away, TOPIC, queue_bytes=queue_bytes)
    # One event is taken even where it alone is more.
    expected = max(1, queue_bytes // (len(LARGE) + len("acme") + OVERHEAD))
    assert publish_until_full(bus, LARGE) == expected
    fail(bus)
    assert publish_until_full(bus, LARGE) == 0
    close_in_vain(bus)


def test_headers_count(away):
    bus = EventBus(away, TOPIC, queue_bytes=10_000_000)
    assert 90 <= publish_until_full(bus, event(), headers={"large": b"x" * 100_000}) <= 100
    close_in_vain(bus)


def test_headers_are_given_back(embedded_broker):
    # Were they not, the bus would be full for ever after a hundred events.
    settings = {"queue_bytes": 1_000_000, "on_full": "block", "block_seconds": PATIENCE}
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings) as bus:
        for number in range(100):
            bus.publish(event(number=number), headers={"large": b"x" * 50_000})
        assert bus.flush(PATIENCE) == 0
    read(embedded_broker, 100)


@pytest.mark.parametrize("durable", [False, True], ids=["spool", "durable"])
def test_what_waits_on_the_disk_is_not_in_memory_too(away, embedded_broker, tmp_path, durable):
    settings = {"spool_dir": tmp_path, "durable": durable, "queue_size": 10}
    bus = EventBus(away, TOPIC, **settings)
    published = [event(number=n) for n in range(1_000)]
    bus.publish_many(published)
    assert eventually(lambda: bus._outbox._spool.count() == 1_000)
    _, _, _, in_flight, backlog, *_ = bus._queue.counts()
    assert in_flight + backlog <= 10
    bus.close(timeout=0)
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings):
        pass
    assert by_tenant(read(embedded_broker, 1_000)) == {"acme": published}


# The bus's own settings, in a container that has little room beside them.
CONTAINER = """
    import ctypes
    ctypes.CDLL(None).mallopt(-8, 1)  # arenas reserve address space that nobody uses
    large = encode("acme", Molecules([1], text_commentary="x" * 440_000))
    spool = {} if sys.argv[2] == "plain" else {"spool_dir": sys.argv[3]}
    bus = EventBus(sys.argv[1], "cells", durable=sys.argv[2] == "durable", **spool)
    with open("/proc/self/statm") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 300_000_000,) * 2)
    before = most()
    full = 0
    for _ in range(700):
        try:
            bus.publish(large)
        except BusError:
            full += 1
    try:
        bus.close(0)
    except DeliveryError:
        pass
    print(full, most() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("mode", ["plain", "spool", "durable"])
def test_a_small_container_does_not_burst(away, tmp_path, mode):
    refused, grown = run(CONTAINER, away, mode, str(tmp_path))
    assert (refused > 0) == (mode == "plain")
    assert grown < 200_000_000
