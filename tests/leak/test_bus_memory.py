"""Memory stays flat while events are published and consumed, and while they are refused."""

import gc
import os
import sys
from pathlib import Path

import pytest

from atomwire import Encoder, EventBus, EventConsumer
from atomwire.bus import DeliveryError
from tests.support.bus import nobody

ROUND = int(os.environ.get("ATOMWIRE_LEAK_CALLS", "20000"))
TOPIC = "cells"
STATM = Path("/proc/self/statm")
CELL = Encoder("acme").cell(1, 1.5)


def resident():
    if not STATM.exists():
        return 0
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def assert_flat(work):
    """Fail when each of four rounds leaves a block, or 32 bytes, behind for each event.

    The first rounds fill what is kept on purpose: the embedded broker holds 5 MiB a partition.
    """
    for _ in range(3):
        work()
    rounds = []
    while len(rounds) < 4:
        gc.collect()
        blocks, size = sys.getallocatedblocks(), resident()
        work()
        gc.collect()
        rounds.append((sys.getallocatedblocks() - blocks, resident() - size))
        if rounds[-1][0] < ROUND // 10 and rounds[-1][1] < 32 * ROUND:
            return
    pytest.fail(f"{ROUND} events a round grow by (blocks, bytes): {rounds}")


def publish(bus):
    for _ in range(ROUND):
        bus.publish(CELL)
    assert bus.flush(60.0) == 0


def write(bus):
    for number in range(ROUND):
        bus.write("acme", number, 1.5)
    assert bus.flush(60.0) == 0


def refuse(bus):
    for _ in range(ROUND):
        with pytest.raises(ValueError, match="AtomEvent"):
            bus.publish(b"\xff" * 16)


@pytest.mark.parametrize("work", [publish, write, refuse])
def test_publishing(embedded_broker, work):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        assert_flat(lambda: work(bus))


def test_giving_up():
    with nobody() as address:

        def work():
            bus = EventBus(address, TOPIC, queue_size=ROUND)
            for _ in range(ROUND):
                bus.publish(CELL, headers={"name": "value"})
            with pytest.raises(DeliveryError, match=f"{ROUND:,} of {ROUND:,}"):
                bus.close(timeout=0)

        assert_flat(work)


def test_consuming(embedded_broker):
    servers = embedded_broker.bootstrap_servers
    embedded_broker.create_topic(TOPIC)
    with (
        EventConsumer(servers, TOPIC, "leak", group_protocol="consumer") as consumer,
        EventBus(servers, TOPIC) as bus,
    ):
        batches = consumer.batches()

        def work():
            publish(bus)
            heard = 0
            while heard < ROUND:
                batch = next(batches)
                heard += len(batch.coordinate_hashes())
                batch.commit()

        assert_flat(work)
