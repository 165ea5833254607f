"""Every public call from inside every other: it ends, and loses nothing."""

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from atomwire import decode
from tests.support.bus import by_tenant, read, read_all
from tests.support.programs import run, run_command
from tests.support.reentry import MODES, WAYS

PAIRS = [(way, mode) for way in WAYS for mode in MODES]
# They wait more than they work.
PROGRAMS_AT_ONCE = 8


@pytest.fixture(scope="module")
def programs(request) -> Iterator[dict[tuple[str, str], Future]]:
    wanted = {
        (item.callspec.params["way"], item.callspec.params["mode"])
        for item in request.session.items
        if item.function is test_every_call_may_be_made_inside_every_other
    }
    with ThreadPoolExecutor(PROGRAMS_AT_ONCE) as pool:
        yield {
            pair: pool.submit(run_command, [sys.executable, "-m", "tests.support.reentry", *pair])
            for pair in PAIRS
            if pair in wanted
        }


@pytest.mark.parametrize(("way", "mode"), PAIRS)
def test_every_call_may_be_made_inside_every_other(programs, way, mode):
    programs[way, mode].result()


# ---- What of it has gone wrong before.

PUBLISH_IN_A_STORM = """
    import random, signal, sys
    from atomwire import Molecules, encode
    from atomwire.bus import EventBus

    random.seed(8)
    bus = EventBus(sys.argv[1], "cells", spool_dir=sys.argv[2], durable=True)

    class Raised(Exception):
        pass

    armed = False

    def handle(*_):
        global armed
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 5e-3))
        if armed:
            armed = False
            raise Raised

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 1e-3)
    accepted, futures, number = [], [], 0
    while number < 1_000:
        try:
            armed = True
            while number < 1_000:
                number += 1
                event = encode("acme", Molecules([number], numeric_value=number))
                if number % 10:
                    bus.publish(event)
                else:
                    futures.append(bus.submit(event))
                accepted.append(number)
        except Raised:
            pass
    armed = False
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    bus.publish(encode("acme", Molecules([1_001], numeric_value=1_001)))
    accepted.append(1_001)
    assert bus.flush(30) == 0
    bus.close()
    assert all(each.done() and each.exception() is None for each in futures)
    stats = bus.stats()
    assert stats.accepted == stats.delivered, stats
    print(*accepted)
"""


def test_signal_handlers_that_raise_cost_no_accepted_event(embedded_broker, tmp_path):
    accepted = run(PUBLISH_IN_A_STORM, embedded_broker.bootstrap_servers, str(tmp_path)).split()
    numbers = [
        int(value)
        for message in read_all(embedded_broker)
        for value in decode(message.value()).molecules.numeric_value
    ]
    assert numbers == sorted(set(numbers))
    assert set(map(int, accepted)) <= set(numbers)
    assert len(accepted) < 1_001  # or no handler has raised


FLUSH_IN_A_STORM = """
    import itertools, signal, sys, time
    from atomwire import Molecules, encode
    from atomwire.bus import EventBus

    bus = EventBus(sys.argv[1], "cells", spool_dir=sys.argv[2], durable=True)
    futures, numbers = [], itertools.count(1)

    def submit(*_):
        number = next(numbers)
        futures.append(bus.submit(encode(f"t{number}", Molecules([number], numeric_value=number))))

    signal.signal(signal.SIGALRM, submit)
    signal.setitimer(signal.ITIMER_REAL, 1e-3, 2e-3)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        bus.flush(0.1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    bus.close()
    assert all(each.done() and each.exception() is None for each in futures)
    print(len(futures))
"""


def test_a_storm_of_signals_while_a_durable_bus_is_flushed(embedded_broker, tmp_path):
    count = int(run(FLUSH_IN_A_STORM, embedded_broker.bootstrap_servers, str(tmp_path)))
    assert count > 20  # a storm, on a busy machine too
    read(embedded_broker, count)


CLOSE_IN_A_STORM = """
    import random, signal, sys, threading
    from atomwire import Molecules, encode
    from atomwire.bus import EventBus

    random.seed(6)
    storm = 0

    class Raised(Exception):
        pass

    def handle(*_):
        global storm
        storm -= 1
        if storm > 0:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 2e-2))
            raise Raised

    signal.signal(signal.SIGALRM, handle)
    for number in range(20):
        bus = EventBus(sys.argv[1], "cells", spool_dir=sys.argv[2])
        for _ in range(10):
            bus.publish(encode("acme", Molecules([number], numeric_value=number)))
        future = bus.submit(encode("acme", Molecules([number], numeric_value=number)))
        storm = 6
        while storm > 0:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 1e-3))
                bus.close()
                storm = 0
            except Raised:
                pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        bus.close()
        stats = bus.stats()
        assert stats.accepted == stats.delivered + stats.spooled, stats
        assert future.done()
    assert threading.active_count() == 1, threading.enumerate()
    with EventBus(sys.argv[1], "cells", spool_dir=sys.argv[2]) as bus:
        assert bus.flush(30) == 0
"""


def test_signal_handlers_that_raise_do_not_leave_a_bus_half_closed(embedded_broker, tmp_path):
    run(CLOSE_IN_A_STORM, embedded_broker.bootstrap_servers, str(tmp_path))
    values = {message.value() for message in read_all(embedded_broker)}
    assert len(values) == 20 * 11
    assert list(tmp_path.iterdir()) == []


SUBMIT_FROM_LOG = """
    import logging, sys, threading
    from atomwire import Molecules, encode
    from atomwire.bus import EventBus

    bus = EventBus(sys.argv[1], "cells", spool_dir=sys.argv[2], durable=sys.argv[3] == "durable")
    count, futures = 0, []

    class Handler(logging.Handler):
        def emit(self, record):
            global count
            count += 1
            futures.append(bus.submit(encode("log", Molecules([count], numeric_value=count))))
            bus.flush(0.1)

    logging.getLogger("atomwire").addHandler(Handler())
    for number in range(3):
        bus.publish(encode("acme", Molecules([number], numeric_value=number)))
        assert bus.flush(30) == 0
        seen = count
        # No line of a kind is held back.
        bus._log._kinds.clear()
        bus._recovery._session.provoke_fatal_error(45, "sequence lost")
        bus.publish(encode("acme", Molecules([10 + number], numeric_value=number)))
        assert bus.flush(30) == 0
        assert futures[-1].result(30) if futures else True
    bus.close()
    assert count >= 3 and all(each.done() for each in futures)
    print(count)
"""


@pytest.mark.parametrize("mode", ["spool", "durable"])
def test_a_log_handler_submits(embedded_broker, tmp_path, mode):
    run(SUBMIT_FROM_LOG, embedded_broker.bootstrap_servers, str(tmp_path), mode)
    tenants = {
        key: len(set(values)) for key, values in by_tenant(read_all(embedded_broker)).items()
    }
    assert tenants["acme"] == 6
    assert tenants["log"] >= 3


PUBLISH_UNDER_A_HANDLERS_LOCK = """
    import logging, os, sys, threading, time
    from atomwire import Molecules, encode
    from atomwire.bus import EventBus

    bus = EventBus(sys.argv[1], "cells", spool_dir=sys.argv[2], durable=True)
    log = logging.getLogger("atomwire")
    said = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record):
            if threading.current_thread() is not threading.main_thread():
                said.set()
                return
            # The disk's thread has something to say meanwhile, and this handler's lock is ours.
            bus._outbox._say("the disk says something")
            time.sleep(0.1)
            bus.publish(encode("acme", Molecules([1], numeric_value=1)))

    log.addHandler(Handler())
    log.warning("a line of the program's")
    assert said.wait(30)
    bus.close()
"""


def test_a_log_handler_publishes_while_the_disk_has_something_to_say(embedded_broker, tmp_path):
    run(PUBLISH_UNDER_A_HANDLERS_LOCK, embedded_broker.bootstrap_servers, str(tmp_path))
    read(embedded_broker, 1)


CLOSE_FROM_CALLBACK = """
    import sys, time
    from atomwire import Molecules, encode
    from atomwire.bus import EventBus

    bus = EventBus(sys.argv[1], "cells", linger_ms=50, spool_dir=sys.argv[2])
    futures = [
        bus.submit(encode("acme", Molecules([number], numeric_value=number)))
        for number in range(100)
    ]
    futures[0].add_done_callback(lambda _: bus.close())
    began = time.monotonic()
    if sys.argv[3] == "closed beside":
        bus.close()
    while "closed" not in repr(bus):
        time.sleep(0.01)
    bus.close()  # waits for the one that was begun
    took = time.monotonic() - began
    assert all(each.result(0).offset is not None for each in futures)
    assert took < 5, took
"""


@pytest.mark.parametrize("beside", ["", "closed beside"])
def test_a_callback_closes_the_bus_and_every_future_gets_its_own_outcome(
    embedded_broker, tmp_path, beside
):
    run(CLOSE_FROM_CALLBACK, embedded_broker.bootstrap_servers, str(tmp_path), beside)
    read(embedded_broker, 100)
    assert list(tmp_path.iterdir()) == []


CALLBACK_EXITS = """
    import sys
    from atomwire import Molecules, encode
    from atomwire.bus import EventBus

    bus = EventBus(sys.argv[1], "cells")
    bus.submit(encode("acme", type=4)).add_done_callback(lambda _: sys.exit(3))
    assert bus.flush(30) == 0
    bus.submit(encode("acme", type=4)).result(30)
    bus.close()
"""


def test_a_callback_that_exits_does_not_end_the_thread_of_the_bus(embedded_broker):
    assert "SystemExit: 3" in run(CALLBACK_EXITS, embedded_broker.bootstrap_servers)
    read(embedded_broker, 2)


# ---- No thread to be had for a moment, then plenty.

WITHOUT_THREADS = """
    import os, sys, threading
    from atomwire import Molecules, encode
    from atomwire.bus import BusError, EventBus

    address, options = sys.argv[1], {"spool_dir": sys.argv[2]} if len(sys.argv) > 2 else {}
    start = threading.Thread.start

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    threading.Thread.start = refuse
    try:
        EventBus(address, "cells", **options)
    except BusError as error:
        assert "no thread to give" in str(error)
    else:
        raise AssertionError("opened without threads")
    threading.Thread.start = start
    bus = EventBus(address, "cells", **options)
    if os.fork():
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
        bus.close()
        sys.exit()
    threading.Thread.start = refuse
    bus.publish(encode("acme", Molecules([1], numeric_value=1)))
    bus.write("acme", 2, 2.0)
    future = bus.submit(encode("acme", Molecules([3], numeric_value=3)))
    assert bus.flush(0.1) > 0
    threading.Thread.start = start
    bus.close()
    assert bus.stats().delivered == 3, bus.stats()
    assert future.exception(0) is None
"""


@pytest.mark.parametrize("spooling", [False, True])
def test_what_was_published_without_threads_goes_out_when_there_are(
    embedded_broker, tmp_path, spooling
):
    directory = [str(tmp_path)] if spooling else []
    told = run(WITHOUT_THREADS, embedded_broker.bootstrap_servers, *directory)
    assert "no thread to give" in told
    read(embedded_broker, 3)
    assert list(tmp_path.iterdir()) == []
