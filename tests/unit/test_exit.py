"""The end of a process with a bus open: what can be delivered is, and the rest is told."""

import multiprocessing
import sys
import time

import pytest

from atomwire.bus import DeliveryError, EventBus
from atomwire.bus.publish.spool import Spool
from tests.support.bus import TOPIC, event, nobody, read
from tests.support.programs import run, run_command

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


SIX = """
    import sys
    from atomwire import encode
    from atomwire.bus import EventBus
    buses = [
        EventBus(sys.argv[1], "cells", exit_seconds=2, spool_dir=sys.argv[2] if n % 2 else None)
        for n in range(6)
    ]
    for bus in buses:
        bus.publish(encode("acme", type=4))
"""


def test_all_buses_together_have_the_time_of_one(tmp_path):
    with nobody() as address:
        began = time.monotonic()
        run(SIX, address, str(tmp_path))
        assert time.monotonic() - began < 2 + 6


INTERRUPTED = """
    import os, signal, sys, threading
    from atomwire import encode
    from atomwire.bus import EventBus
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for n in range(3):
        bus = EventBus(sys.argv[1], "cells", exit_seconds=30, spool_dir=sys.argv[2])
        bus.publish(encode("acme", type=4))
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    threading._shutdown = lambda: None  # the timer may go on while the buses are closed
"""


def test_ctrl_c_at_the_end_ends_the_waiting_and_closes_all(tmp_path):
    with nobody() as address:
        began = time.monotonic()
        run(INTERRUPTED, address, str(tmp_path))
        assert time.monotonic() - began < 10
    spools = [Spool(tmp_path, TOPIC, 2**30) for _ in range(3)]
    assert [each.count() for each in spools] == [1, 1, 1]
    for each in spools:
        each.close()


ENDS = {
    "an exception": "raise RuntimeError('the program fails')",
    "sys.exit": "sys.exit(1)",
    "sys.exit in a thread": """
import threading
def publish():
    bus.publish(encode("acme", type=4))
    sys.exit(2)
threading.Thread(target=publish).start()
sys.exit(1)
""",
    "in an exit function": """
import atexit
atexit.register(lambda: bus.publish(encode("acme", type=4)))
sys.exit(1)
""",
    "a bus of an exit function": """
import atexit
def publish():
    try:
        another = EventBus(sys.argv[1], "cells")
    except BusError as error:  # from 3.12 on no thread begins at the end
        assert "no thread to give" in str(error), error
        another = bus
    another.publish(encode("acme", type=4))
atexit.register(publish)
sys.exit(1)
""",
    "a finalizer": """
class Last:
    def __del__(self):
        bus.publish(encode("acme", type=4))
last = Last()
import atexit
atexit.register(lambda: globals().pop("last") and None)
sys.exit(1)
""",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_however_a_program_ends(embedded_broker, end):
    start = (
        "import sys\nfrom atomwire import encode\nfrom atomwire.bus import BusError, EventBus\n"
        "bus = EventBus(sys.argv[1], 'cells', linger_ms=500)\n"
        "bus.publish(encode('acme', type=4))\n"
    )
    run(start + end, embedded_broker.bootstrap_servers, exit_code=1)
    read(embedded_broker, 1 if end in (ENDS["an exception"], ENDS["sys.exit"]) else 2)


def test_a_process_that_ends_at_once_loses_what_only_memory_has(tmp_path):
    """`os._exit`, or a kill: only a durable bus has promised anything."""
    code = OPEN.replace("del bus", "import os; os._exit(0)") % 30
    durable = code.replace("linger_ms=500", "linger_ms=500, durable=True")
    with nobody() as address:
        assert run(code, address, str(tmp_path / "plain")) == ""
        assert run(durable, address, str(tmp_path / "durable")) == ""
    for name, count in (("plain", 0), ("durable", 7)):
        spool = Spool(tmp_path / name, TOPIC, 2**30)
        assert spool.count() == count
        spool.close()


# ---- Processes of multiprocessing, which run no exit functions.

CHILD = """
import sys
from concurrent.futures import ProcessPoolExecutor
import multiprocessing

def publish(address, directory, number):
    from atomwire import encode
    from atomwire.bus import EventBus

    options = {"spool_dir": directory} if number % 2 else {}
    bus = EventBus(address, "cells", linger_ms=500, **options)
    for _ in range(100):
        bus.publish(encode(f"child{number}", type=4))

if __name__ == "__main__":
    method, kind, address, directory = sys.argv[1:]
    context = multiprocessing.get_context(method)
    if kind == "executor":
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            for each in [pool.submit(publish, address, directory, n) for n in range(3)]:
                each.result()
    else:
        children = [
            context.Process(target=publish, args=(address, directory, n)) for n in range(3)
        ]
        for each in children:
            each.start()
        for each in children:
            each.join()
            assert each.exitcode == 0
"""


@pytest.mark.parametrize("kind", ["process", "executor"])
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_child_that_leaves_its_bus_open(embedded_broker, tmp_path, method, kind):
    program = tmp_path / "program.py"
    program.write_text(CHILD)
    spool = tmp_path / "spool"
    run_command(
        [sys.executable, str(program), method, kind, embedded_broker.bootstrap_servers, str(spool)]
    )
    read(embedded_broker, 300)
    assert list(spool.iterdir()) == []
