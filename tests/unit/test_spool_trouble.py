"""Trouble with the disk is no damage: the bus goes on, and all arrive when it is over."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from atomwire import Molecules, encode
from atomwire.bus import BusStats, DeliveryError, EventBus, SpoolError
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, nobody, read
from tests.support.spools import files, held_by_another_program, locked_by_another_program

COUNT = 100
PUBLISHED = [
    encode("acme", Molecules([n]), event_id=f"00000000-0000-7000-8000-{n:012}", timestamp=1)
    for n in range(COUNT)
]
KILLED = """
    import sys
    from atomwire import Molecules, encode
    from atomwire.bus import EventBus
    bus = EventBus(sys.argv[1], "cells", durable=True, spool_dir=sys.argv[2], queue_size=20)
    for n in range(100):
        id_ = f"00000000-0000-7000-8000-{n:012}"
        bus.publish(encode("acme", Molecules([n]), event_id=id_, timestamp=1))
    print("all", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def away():
    with nobody() as address:
        yield address


@pytest.fixture
def left(away, tmp_path):
    """A directory with the events of a process that was killed."""
    directory = tmp_path / "spool"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), away, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    return directory


def database_of(directory):
    [path] = directory.glob("*.spool")
    return path


def assert_delivered_by_another(broker, directory):
    with EventBus(broker.bootstrap_servers, TOPIC, spool_dir=directory) as bus:
        assert eventually(lambda: bus.stats().delivered == COUNT)
    assert by_tenant(read(broker, COUNT)) == {"acme": PUBLISHED}
    assert files(directory) == []


# ---- Left by a process that was killed

NO_DESCRIPTOR = """
    import resource, sys
    from atomwire.bus import BusError, DeliveryError, EventBus
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for free in range(0, 40, 2):
        # Beside those of the interpreter.
        resource.setrlimit(resource.RLIMIT_NOFILE, (3 + free, hard))
        try:
            EventBus(sys.argv[1], "cells", spool_dir=sys.argv[2]).close(0)
        except BusError as error:
            print(type(error).__name__, error)
"""


def test_no_descriptor_is_free(left, away, embedded_broker):
    command = [sys.executable, "-c", textwrap.dedent(NO_DESCRIPTOR), away, str(left)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stderr
    told = ended.stdout.splitlines()
    assert any(line.startswith("SpoolError") and "descriptors are free" in line for line in told)
    assert_delivered_by_another(embedded_broker, left)


def test_another_program_holds_the_file(left, embedded_broker, caplog):
    path = database_of(left)
    address = embedded_broker.bootstrap_servers
    with held_by_another_program(path):
        bus = EventBus(address, TOPIC, spool_dir=left)
        later = event("other")
        bus.publish(later)
        assert eventually(lambda: any("waits there" in line for line in caplog.messages))
        assert bus.stats().accepted == 1
    assert eventually(lambda: bus.stats().delivered == COUNT + 1)
    bus.close()
    assert bus.stats() == BusStats(COUNT + 1, delivered=COUNT + 1, failed=0, queued=0)
    arrived = by_tenant(read(embedded_broker, COUNT + 1))
    assert arrived == {"acme": PUBLISHED, "other": [later]}
    assert files(left) == []


def test_a_bus_that_ends_before_the_file_is_free_leaves_it(left, embedded_broker):
    with held_by_another_program(database_of(left)):
        EventBus(embedded_broker.bootstrap_servers, TOPIC, spool_dir=left).close()
    assert_delivered_by_another(embedded_broker, left)


@contextmanager
def small_disk(directory):
    """A file system of its own for a directory that has files."""
    directory.mkdir(exist_ok=True)
    kept = {each.name: each.read_bytes() for each in directory.iterdir()}
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    try:
        for name, content in kept.items():
            (directory / name).write_bytes(content)
            (directory / name).chmod(0o600)
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def fill(directory):
    with (directory / "filling").open("wb", buffering=0) as filling:
        try:
            while filling.write(b"x" * 512):
                pass
        except OSError:
            return


def test_the_disk_is_full(left, embedded_broker):
    with small_disk(left):
        fill(left)
        # What can be read is delivered, and nothing is given up for what cannot be written.
        with suppress(SpoolError):
            bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, spool_dir=left)
            bus.flush(1.0)
            assert bus.stats().failed == 0
            (left / "filling").unlink()
            assert bus.flush(PATIENCE) == 0
            bus.close()
        (left / "filling").unlink(missing_ok=True)
        with EventBus(embedded_broker.bootstrap_servers, TOPIC, spool_dir=left) as bus:
            assert bus.flush(PATIENCE) == 0
        assert by_tenant(read(embedded_broker, COUNT)) == {"acme": PUBLISHED}
        assert files(left) == []


# ---- At the end


def threads_of_buses():
    return [each for each in threading.enumerate() if each.name.startswith("atomwire-")]


def assert_released(bus, directory, kept, embedded_broker):
    """Threads, descriptors and locks are free: another bus goes on with what is there at once."""
    assert threads_of_buses() == []
    bus.close()  # says nothing, and does nothing
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, spool_dir=directory) as another:
        assert another.stats().accepted == kept
        assert another.flush(PATIENCE) == 0
    assert len(read(embedded_broker, kept)) == kept


def close_with_one_error(bus):
    before = bus.stats()
    with pytest.raises(DeliveryError) as caught:
        bus.close(timeout=0)
    after = bus.stats()
    assert after.gathering == after.queued == 0
    assert caught.value.undelivered == after.failed == sum(caught.value.by_tenant.values())
    assert after.accepted == after.failed + after.spooled
    assert after.accepted >= before.accepted
    return caught.value


def publish_until_refused(bus):
    for n in range(10_000):
        try:
            bus.publish(event("a", n))
        except SpoolError:
            return n
    raise AssertionError("it never is full")


def test_durable_with_a_full_spool_and_one_gathered_cell(away, embedded_broker, tmp_path):
    settings = {"durable": True, "spool_dir": tmp_path, "spool_bytes": 100_000}
    bus = EventBus(away, TOPIC, linger_ms=PATIENCE * 1_000, **settings)
    bus.write("b", 1, 1.0)  # at once
    assert eventually(lambda: bus._outbox._spool.count() == 1)
    kept = 1 + publish_until_refused(bus)
    bus.write("b", 2, 1.0)
    assert bus.stats().gathering == 1
    error = close_with_one_error(bus)
    assert error.by_tenant == {"b": 1}
    assert bus.stats().spooled == kept
    assert_released(bus, tmp_path, kept, embedded_broker)


@pytest.mark.parametrize("durable", [False, True], ids=["spool", "durable"])
def test_a_full_disk_at_the_end(away, embedded_broker, tmp_path, durable):
    directory = tmp_path / "spool"
    with small_disk(directory):
        settings = {"durable": durable, "spool_dir": directory, "linger_ms": PATIENCE * 1_000}
        bus = EventBus(away, TOPIC, **settings)
        bus.write("b", 1, 1.0)
        bus.publish_many([event("a", n) for n in range(50)])
        assert eventually(lambda: bus._outbox._spool.count() == 51)
        bus.write("b", 2, "x" * 10_000)
        fill(directory)
        # SQLite has some room of its own; it is full in time.
        if durable:
            kept = 51 + publish_until_refused(bus)
            close_with_one_error(bus)
            assert bus.stats().spooled == kept
        else:
            for n in range(3_000):
                bus.publish(event("a", n))
            close_with_one_error(bus)
            kept = bus.stats().spooled
            assert kept >= 51
        (directory / "filling").unlink()
        assert_released(bus, directory, kept, embedded_broker)


def test_the_spool_fails_in_a_way_of_its_own(away, embedded_broker, tmp_path, monkeypatch):
    bus = EventBus(away, TOPIC, durable=True, spool_dir=tmp_path, linger_ms=PATIENCE * 1_000)
    bus.publish_many([event("a", n) for n in range(50)])
    bus.write("b", 1, 1.0)
    bus.write("b", 2, 2.0)
    assert eventually(lambda: bus._outbox._spool.count() == 51)

    def commit(*_: object, **__: object) -> None:
        raise RuntimeError("not foreseen")

    monkeypatch.setattr(bus._outbox._spool, "commit", commit)
    error = close_with_one_error(bus)
    assert error.by_tenant == {"b": 1}
    assert_released(bus, tmp_path, 51, embedded_broker)


# ---- Another program writes


def watch(bus, until):
    """Look at the counts for as long as they may go wrong."""
    while time.monotonic() < until:
        stats = bus.stats()
        counts = (stats.accepted, stats.delivered, stats.failed, stats.queued, stats.spooled)
        assert min(counts) >= 0, stats
        assert stats.accepted == sum(counts[1:]), stats
        assert stats.failed == 0, stats
        time.sleep(0.001)


def test_a_large_event_adopted_while_another_program_writes(away, embedded_broker, tmp_path):
    large = encode("acme", Molecules([1], text_commentary="x" * 5_000))
    published = [event(number=1), large, event(number=2)]
    bus = EventBus(away, TOPIC, durable=True, spool_dir=tmp_path)
    bus.publish_many(published)
    bus.close(timeout=0)
    bus = EventBus(
        embedded_broker.bootstrap_servers, TOPIC, spool_dir=tmp_path, max_event_bytes=1_000
    )
    with locked_by_another_program(bus._outbox._spool.path):
        more = [event(number=n) for n in range(100)]
        for each in more:
            bus.publish(each)
        watch(bus, time.monotonic() + 3.0)
    assert bus.flush(PATIENCE) == 0
    assert bus.stats() == BusStats(accepted=103, delivered=103, failed=0, queued=0)
    bus.close()
    assert by_tenant(read(embedded_broker, 103)) == {"acme": published + more}
    assert files(tmp_path) == []


def test_durable_while_another_program_writes(embedded_broker, tmp_path):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, durable=True, spool_dir=tmp_path)
    accepted = [event(number=n) for n in range(50)]
    bus.publish_many(accepted)
    with locked_by_another_program(bus._outbox._spool.path):
        with pytest.raises(SpoolError, match="another program has the file open"):
            bus.publish(event(number=99))
        watch(bus, time.monotonic() + 1.0)
    assert eventually(lambda: bus._outbox.error is None)
    last = event(number=100)
    bus.publish(last)
    assert bus.flush(PATIENCE) == 0
    assert bus.stats() == BusStats(accepted=51, delivered=51, failed=0, queued=0)
    bus.close()
    assert by_tenant(read(embedded_broker, 51)) == {"acme": [*accepted, last]}


def test_the_database_locked_at_the_end_is_the_next_ones(away, embedded_broker, tmp_path):
    bus = EventBus(away, TOPIC, durable=True, spool_dir=tmp_path)
    published = [event(number=n) for n in range(50)]
    bus.publish_many(published)
    database = sqlite3.connect(bus._outbox._spool.path, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    bus.close(timeout=0)
    assert bus.stats() == BusStats(accepted=50, delivered=0, failed=0, queued=0, spooled=50)
    database.rollback()
    database.close()
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, spool_dir=tmp_path) as bus:
        assert bus.flush(PATIENCE) == 0
    assert by_tenant(read(embedded_broker, 50)) == {"acme": published}
