"""A program that calls a bus from inside its own calls: ``python -m tests.support.reentry WAY``.

Every public call is made inside every other, in one of several ways, on a bus of each mode. Each
call numbers what it publishes. A reader that is not this package then looks for every number whose
call returned, in the order of its tenant's calls. What hangs ends the process, with all its stacks.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import itertools
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import FrameType

from atomwire import Molecules, decode, encode
from atomwire.bus import BusClosedError, DeliveryError, EventBus
from atomwire.testing import EmbeddedBroker
from tests.support.bus import PATIENCE, TOPIC, read_all

CALLS = (
    "publish", "publish_many", "write", "write_molecules", "submit", "flush", "close", "stats",
    "healthy",
)  # fmt: skip
MODES = ("plain", "spool", "durable")
HANG_SECONDS = 30.0
FLUSH_SECONDS = 5.0
# Not every line is tried in each run of the tests. STEP=1 does it.
STEP = int(os.environ.get("REENTRY_STEP", "8"))
MOST_LINES_OF_CLOSE = 150
# Nor in the library: a tracer gets between a lock and its clause, where no signal handler does.
NOT_OF_THE_BUS = (__file__, "/codec/", "numpy", "threading.py", "/concurrent/futures/")


class Interrupted(BaseException):
    """What the handlers raise: like KeyboardInterrupt, no Exception."""


class Ledger:
    """What was asked of the buses, what they said to it, and what they owe."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.asked: dict[str, list[int]] = defaultdict(list)
        self.owed: dict[str, list[int]] = defaultdict(list)
        self.futures: list[Future] = []
        self.given_up = 0

    def call(self, bus: EventBus, name: str, place: str) -> None:
        """Make one call, and note what was accepted. A tenant's calls come from one thread."""
        tenant = f"{place}-{threading.get_ident()}"
        numbers = [next(self._numbers) for _ in range(2 if name == "publish_many" else 1)]
        if name in ("publish", "publish_many", "write", "write_molecules", "submit"):
            self.asked[tenant] += numbers
        try:
            self._make(bus, name, tenant, numbers)
        except (BusClosedError, DeliveryError):
            return
        if name in ("publish", "publish_many", "write", "write_molecules", "submit"):
            self.owed[tenant] += numbers

    def _make(self, bus: EventBus, name: str, tenant: str, numbers: list[int]) -> None:
        events = [encode(tenant, molecules(number)) for number in numbers]
        if name == "publish":
            bus.publish(events[0])
        elif name == "publish_many":
            bus.publish_many(events)
        elif name == "write":
            bus.write(tenant, numbers[0], float(numbers[0]))
        elif name == "write_molecules":
            bus.write_molecules(tenant, molecules(numbers[0]))
        elif name == "submit":
            self.futures.append(bus.submit(events[0]))
        elif name == "flush":
            bus.flush(FLUSH_SECONDS)
        elif name == "close":
            bus.close(FLUSH_SECONDS)
        elif name == "stats":
            conserved(bus)
        else:
            bus.healthy()

    def settle(self, broker: EmbeddedBroker) -> None:
        """See that what is owed has arrived, in order, and that every future is done."""
        arrived: dict[str, list[int]] = defaultdict(list)
        for message in read_all(broker):
            values = decode(message.value()).molecules.numeric_value
            arrived[message.key().decode()] += [int(value) for value in values]
        missing = 0
        for tenant, numbers in arrived.items():
            known = list(dict.fromkeys(numbers))  # a replaced producer may send one again
            assert known == sorted(known), f"{tenant}: out of order: {numbers}"
            assert set(known) <= set(self.asked[tenant]), f"{tenant}: nobody asked for {numbers}"
        for tenant, numbers in self.owed.items():
            lost = sorted(set(numbers) - set(arrived[tenant]))
            missing += len(lost)
            if lost and not self.given_up:
                raise AssertionError(f"{tenant}: lost {lost} of {len(numbers)}")
        assert missing <= self.given_up, f"lost {missing}, and told of {self.given_up}"
        pending = [each for each in self.futures if not each.done()]
        assert not pending, f"{len(pending)} of {len(self.futures)} futures are not done"


def molecules(number: int) -> Molecules:
    return Molecules([number], numeric_value=float(number))


def conserved(bus: EventBus) -> None:
    stats = bus.stats()
    accounted = stats.delivered + stats.failed + stats.queued + stats.spooled
    assert stats.accepted == accounted, stats


class Stage:
    """One bus after the other, and a call inside another."""

    def __init__(self, broker: EmbeddedBroker, mode: str, directory: str, ledger: Ledger) -> None:
        self.broker, self.ledger = broker, ledger
        self.options = {} if mode == "plain" else {"spool_dir": directory}
        self.options["durable"] = mode == "durable"
        self.buses = 0

    @contextlib.contextmanager
    def bus(self) -> Iterator[EventBus]:
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        self.buses += 1
        bus = EventBus(self.broker.bootstrap_servers, TOPIC, linger_ms=1, **self.options)
        try:
            yield bus
            conserved(bus)
        finally:
            with contextlib.suppress(DeliveryError):
                bus.close(FLUSH_SECONDS)
            conserved(bus)
            stats = bus.stats()
            assert stats.queued == stats.gathering == 0, stats
            assert stats.failed == 0 or "spool_dir" not in self.options, stats
            self.ledger.given_up += stats.failed


# ---- The ways. Each makes `outer`, and while that is under way `inner`.

Call = Callable[[], None]
Way = Callable[[EventBus, Call, Call], None]


def by_signal(bus: EventBus, outer: Call, inner: Call, error: type | None = None) -> None:
    came = threading.Event()

    def handle(number: int, frame: object) -> None:
        came.set()
        inner()
        if error is not None:
            raise error

    def call_until_it_came() -> None:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 1e-3))
        while not came.is_set() and not bus._closed:
            outer()
        while not came.is_set():
            time.sleep(1e-4)

    signal.signal(signal.SIGALRM, handle)
    try:
        # In a frame of its own: in 3.13 what a handler raises at the head of a loop passes by the
        # clause around it.
        call_until_it_came()
    except Interrupted:
        assert error is not None


def by_raising_signal(bus: EventBus, outer: Call, inner: Call) -> None:
    by_signal(bus, outer, inner, Interrupted)


def by_line(bus: EventBus, outer: Call, inner: Call, error: type | None = None) -> None:
    """At one line of the bus after the other, as a signal handler or a finalizer may come."""
    closes = outer.__name__ == "close"
    first = random.randrange(MOST_LINES_OF_CLOSE if closes else STEP) + 1
    for moment in itertools.count(first, STEP):
        lines = 0

        def trace(frame: FrameType, kind: str, _: object, moment: int = moment) -> object:
            nonlocal lines
            if any(part in frame.f_code.co_filename for part in NOT_OF_THE_BUS):
                return None
            lines += 1
            if lines == moment:
                inner()
                if error is not None:
                    raise error
            return trace

        sys.settrace(trace)
        try:
            outer()
        except Interrupted:
            assert error is not None
        finally:
            sys.settrace(None)
        if lines < moment or bus._closed:
            return


def by_raising_line(bus: EventBus, outer: Call, inner: Call) -> None:
    by_line(bus, outer, inner, Interrupted)


def by_collection(bus: EventBus, outer: Call, inner: Call) -> None:
    """In a finalizer: the collector runs in whatever thread allocates, the bus's own too."""

    class Finalized:
        def __del__(self) -> None:
            inner()

    thing = Finalized()
    thing.itself = thing
    del thing
    gc.set_threshold(random.randint(1, 40))
    try:
        outer()
    finally:
        gc.set_threshold(0)
        gc.collect()


def by_log_handler(bus: EventBus, outer: Call, inner: Call) -> None:
    """In a handler of the log, which holds the handler's own lock meanwhile."""
    done = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not done.is_set():
                done.set()
                inner()

    handler = Handler()
    logger = logging.getLogger("atomwire")
    logger.addHandler(handler)
    bus._log.later(logging.WARNING, f"line {random.random()}")
    bus._queue.waken()
    try:
        outer()
        if not bus._closed:
            done.wait(1.0)
    finally:
        logger.removeHandler(handler)


def by_callback(bus: EventBus, outer: Call, inner: Call) -> None:
    done = threading.Event()

    def call(_: object) -> None:
        try:
            inner()
        finally:
            done.set()

    bus.submit(encode("callback", molecules(0))).add_done_callback(call)
    outer()
    assert done.wait(PATIENCE)


def by_thread(bus: EventBus, outer: Call, inner: Call) -> None:
    other = threading.Thread(target=inner)
    other.start()
    outer()
    other.join(PATIENCE)
    assert not other.is_alive()


WAYS: dict[str, Way] = {
    "signal": by_signal,
    "raising-signal": by_raising_signal,
    "line": by_line,
    "raising-line": by_raising_line,
    "finalizer": by_collection,
    "log-handler": by_log_handler,
    "callback": by_callback,
    "thread": by_thread,
}


def run(way: str, mode: str, broker: EmbeddedBroker, ledger: Ledger, directory: str) -> int:
    """Every call in every other; returns how many buses that took."""
    stage = Stage(broker, mode, directory, ledger)
    ledger.asked["callback"].append(0)

    def call(bus: EventBus, name: str, place: str) -> Call:
        def make() -> None:
            ledger.call(bus, name, place)

        make.__name__ = name
        return make

    def pair(bus: EventBus, outer: str, inner: str) -> None:
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        began = time.monotonic()
        WAYS[way](bus, call(bus, outer, "outer"), call(bus, inner, "inner"))
        conserved(bus)
        took = time.monotonic() - began
        if took > 1.0:
            print(f"{mode} {way}: {inner} in {outer} took {took:.1f} s", file=sys.stderr)

    open_calls = [call for call in CALLS if call != "close"]
    with stage.bus() as bus:
        for outer, inner in itertools.product(open_calls, open_calls):
            pair(bus, outer, inner)
    for outer, inner in itertools.product(CALLS, CALLS):
        if "close" in (outer, inner):
            with stage.bus() as bus:
                ledger.call(bus, "publish", "before")
                ledger.call(bus, "submit", "before")
                ledger.call(bus, "write", "before")
                pair(bus, outer, inner)
    return stage.buses


def main(way: str, *modes: str) -> None:
    seed = int(os.environ.get("REENTRY_SEED", random.randrange(10**9)))
    random.seed(seed)
    print(f"REENTRY_SEED={seed}", flush=True)
    gc.set_threshold(0)
    logging.getLogger("atomwire").addHandler(logging.NullHandler())
    logging.getLogger("atomwire").propagate = False
    for mode in modes or MODES:
        began = time.monotonic()
        ledger = Ledger()
        with EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as directory:
            buses = run(way, mode, broker, ledger, directory)
            if mode != "plain":
                # What a bus left on the disk is the next one's.
                with EventBus(broker.bootstrap_servers, TOPIC, spool_dir=directory) as bus:
                    time.sleep(0.05)
                    assert bus.flush(PATIENCE) == 0
            ledger.settle(broker)
        print(
            f"{mode} {way}: {buses} buses, {sum(map(len, ledger.owed.values()))} owed, "
            f"{ledger.given_up} given up, {time.monotonic() - began:.1f} s"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
