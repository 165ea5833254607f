"""A process in which a bus works, and memory must stay flat: ``bus_at_work.py WORK ADDRESS``.

The broker is in another one: librdkafka's embedded broker keeps a little of every request.
"""

import ctypes
import gc
import itertools
import os
import sys
import time
from contextlib import suppress

from atomwire import Encoder, EventBus, EventConsumer
from atomwire.bus import DeliveryError

ROUND = int(os.environ.get("ATOMWIRE_LEAK_CALLS", "20000"))
TOPIC = "cells"
CELL = Encoder("acme").cell(1, 1.5)


class MallInfo(ctypes.Structure):
    """What glibc's mallinfo2(3) returns."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


MALLINFO = getattr(ctypes.CDLL(None), "mallinfo2", None)
if MALLINFO is not None:
    MALLINFO.restype = MallInfo


def in_use():
    """Return the blocks that Python has, and the bytes that malloc gave to anybody.

    The size of the process would say less: it goes up and down by megabytes with what is free.
    """
    gc.collect()
    if MALLINFO is None:
        return sys.getallocatedblocks(), 0
    info = MALLINFO()
    return sys.getallocatedblocks(), info.uordblks + info.hblkhd


def assert_flat(work):
    """Fail when three rounds leave a block in ten events, or 8 bytes an event, behind."""
    for _ in range(3):
        work()
    start = in_use()
    for _ in range(3):
        work()
    blocks, size = (now - before for now, before in zip(in_use(), start, strict=True))
    if blocks > ROUND // 10 or size > 8 * ROUND:
        sys.exit(f"3 times {ROUND:,} events left {blocks:,} blocks and {size:,} bytes behind")


def publish(bus):
    for _ in range(ROUND):
        bus.publish(CELL)
    assert bus.flush(60.0) == 0


def publishing(address):
    with EventBus(address, TOPIC, on_full="block") as bus:
        assert_flat(lambda: publish(bus))


def writing(address):
    with EventBus(address, TOPIC, on_full="block") as bus:

        def write():
            for number in range(ROUND):
                bus.write("acme", number, 1.5)
            assert bus.flush(60.0) == 0

        assert_flat(write)


def coming_and_going(address):
    """Tenants that write a cell or two and never come back."""
    rounds = itertools.count()
    with EventBus(address, TOPIC, on_full="block", linger_ms=1) as bus:

        def write():
            first = next(rounds) * ROUND
            for number in range(first, first + ROUND):
                bus.write(f"tenant-{number:09}", 1, 1.5)
                if number % 10 == 0:
                    bus.write(f"tenant-{number:09}", 2, "text" * 10)
            assert bus.flush(60.0) == 0
            time.sleep(0.1)  # their buffers are given back when they have been quiet

        assert_flat(write)


def refusing(address):
    with EventBus(address, TOPIC, on_full="block") as bus:

        def refuse():
            for _ in range(ROUND):
                with suppress(ValueError):
                    bus.publish(b"\xff" * 16)
            assert bus.stats().accepted == 0

        assert_flat(refuse)


def giving_up(address):
    def give_up():
        bus = EventBus(address, TOPIC, queue_size=ROUND)
        for _ in range(ROUND):
            bus.publish(CELL, headers={"name": "value"})
        with suppress(DeliveryError):
            bus.close(timeout=0)
        assert bus.stats().failed == ROUND

    assert_flat(give_up)


def consuming(address):
    with (
        EventConsumer(address, TOPIC, "leak", group_protocol="consumer") as consumer,
        EventBus(address, TOPIC, on_full="block") as bus,
    ):
        batches = consumer.batches()

        def consume():
            publish(bus)
            heard = 0
            while heard < ROUND:
                batch = next(batches)
                heard += len(batch.coordinate_hashes())
                batch.commit()

        assert_flat(consume)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
