"""Forks and the end of the process: nothing happens in silence."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from atomwire.bus import BusStats, DeliveryError, EventBus
from atomwire.bus.publish.spool import Spool
from tests.support.bus import PATIENCE, TOPIC, event, nobody, read

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


def in_child(function) -> int:
    """Run a function in a forked child; return its exit code, 0 when it returned."""
    child = os.fork()
    if child == 0:
        code = 1
        signal.alarm(int(PATIENCE))  # ends a child that hangs
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("spooling", [False, True])
def test_a_child_has_a_bus_of_its_own(embedded_broker, tmp_path, spooling):
    options = {"spool_dir": tmp_path} if spooling else {}
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=60_000, **options) as bus:
        bus.publish(event("parent"))
        bus.write("gathered", 1, 1.0)
        bus.write("gathered", 2, 1.0)

        def publish() -> None:
            bus.publish(event("child"))
            bus.write("child", 1, 1.0)
            assert bus.flush(PATIENCE) == 0
            assert bus.stats() == BusStats(accepted=2, delivered=2, failed=0, queued=0)
            bus.close()

        assert in_child(publish) == 0
        assert bus.flush(PATIENCE) == 0
        assert bus.stats().delivered == 3
    keys = sorted(message.key() for message in read(embedded_broker, 5))
    assert keys == [b"child", b"child", b"gathered", b"gathered", b"parent"]
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_uses_nothing_starts_nothing(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        bus.publish(event())

        def look() -> None:
            assert len(os.listdir("/proc/self/task")) == 1

        if sys.platform == "linux":
            assert in_child(look) == 0
    read(embedded_broker, 1)


def test_a_child_of_multiprocessing_delivers_at_its_end(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=1_000) as bus:
        context = multiprocessing.get_context("fork")
        child = context.Process(target=lambda: bus.publish(event("child")))
        child.start()
        child.join(PATIENCE)
        assert child.exitcode == 0
    assert [message.key() for message in read(embedded_broker, 1)] == [b"child"]


def test_a_closed_bus_stays_closed_in_a_child(embedded_broker):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC)
    bus.close()

    def use() -> None:
        with pytest.raises(Exception, match="is closed"):
            bus.publish(event())

    assert in_child(use) == 0


def test_a_child_of_a_child_has_one_too(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:

        def publish() -> None:
            bus.publish(event())
            assert bus.flush(PATIENCE) == 0

        def fork_again() -> None:
            assert in_child(publish) == 0

        assert in_child(fork_again) == 0
        assert in_child(bus.close) == 0
        assert bus.stats() == BusStats(accepted=0, delivered=0, failed=0, queued=0)
    read(embedded_broker, 1)


# ---- The interpreter ends with the bus open


def run(code: str, *arguments: str) -> str:
    """Run a program; return what it wrote to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stderr


OPEN = """
    import sys
    from atomwire import encode
    from atomwire.bus import EventBus
    options = {"spool_dir": sys.argv[2]} if len(sys.argv) > 2 else {}
    bus = EventBus(sys.argv[1], "cells", exit_seconds=%s, linger_ms=500, **options)
    for _ in range(7):
        bus.publish(encode("acme", type=4))
    del bus
"""


def test_what_is_queued_is_delivered_at_exit(embedded_broker):
    assert run(OPEN % 30, embedded_broker.bootstrap_servers) == ""
    read(embedded_broker, 7)


def test_what_cannot_be_delivered_at_exit_is_told():
    with nobody() as address:
        assert "7 of 7 events were not delivered to topic 'cells'" in run(OPEN % 0, address)


def test_what_cannot_be_delivered_at_exit_is_spooled(tmp_path):
    with nobody() as address:
        told = run(OPEN % 0, address, str(tmp_path))
    assert "7 events for topic 'cells'" in told
    spool = Spool(tmp_path, TOPIC, 2**30)
    assert spool.count() == 7
    spool.close()


def test_a_forgotten_bus_is_not_collected():
    with nobody() as address:
        bus = EventBus(address, TOPIC)
        stats = bus.stats
        bus.publish(event())
        del bus
        assert stats().queued == 1
        with pytest.raises(DeliveryError):
            stats.__self__.close(timeout=0)
