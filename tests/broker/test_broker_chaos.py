"""Everything breaks, in an order that a seed decides, and every promise is kept.

``CHAOS_SEED`` repeats the order of the faults, ``CHAOS_SECONDS`` is how long they last.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from atomwire.bus import EventBus
from tests.broker.chaos_publisher import ChaosPublisher
from tests.broker.cluster import Cluster
from tests.broker.conftest import NewTopicOf
from tests.broker.ledger import Ledger, problems, read_topics
from tests.broker.node import Node
from tests.broker.proxy import Proxy
from tests.broker.writer import Line

pytestmark = pytest.mark.faults

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
DISK_BYTES = 64 << 20
FLUSH_SECONDS = 60.0

MODES: dict[str, dict[str, Any]] = {
    "plain": {},
    "spool": {"queue_size": 500},  # so that events go over the disk
    "durable": {"durable": True},
}


def test_chaos(
    trio: Cluster, new_topic: NewTopicOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nCHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:g}")
    topic = new_topic(trio.bootstrap_servers, 6)
    spools = tmp_path / "disk" / "spools"
    with ExitStack() as stack:
        disk = stack.enter_context(_small_disk(tmp_path / "disk"))
        spools.mkdir()
        proxies = [stack.enter_context(Proxy(each.proxied, each.behind)) for each in trio.addresses]
        publishers: list[ChaosPublisher] = []
        stack.callback(lambda: [each.destroy() for each in publishers])
        for mode, settings in MODES.items():
            for number in range(2):
                name = f"{mode}{number}"
                spool = {} if mode == "plain" else {"spool_dir": spools / name}
                publishers.append(
                    ChaosPublisher(name, tmp_path, trio.proxied_servers, topic, **settings, **spool)
                )
        happened = Chaos(trio.nodes, proxies, publishers, disk).run(SECONDS)
        for node in trio.nodes:
            if not node.running:
                node.start()
        trio.wait_ready()
        for publisher in publishers:
            publisher.ask_to_end()
        for publisher in publishers:
            publisher.wait_end()
        for spool_dir in spools.iterdir():
            _deliver(trio.proxied_servers, topic, spool_dir)
    arrived = read_topics(trio.bootstrap_servers, [topic])[topic]
    promised = {line: each for publisher in publishers for line, each in _promised(publisher)}
    with capsys.disabled():
        total = sum(len(each.accepted) for each in promised.values())
        print(f"{len(happened)} faults, {total:,} events accepted, {len(arrived):,} arrived")
    found = problems(promised, arrived)
    assert not found, "\n".join([f"CHAOS_SEED={SEED}", *happened, *found])


class Chaos:
    """Breaks one or two things at a time, and mends them."""

    def __init__(
        self,
        nodes: list[Node],
        proxies: list[Proxy],
        publishers: list[ChaosPublisher],
        disk: Path | None,
    ) -> None:
        self._random = random.Random(SEED)
        self._nodes = nodes
        self._proxies = proxies
        self._publishers = publishers
        self._disk = disk

    def run(self, seconds: float) -> list[str]:
        """Let it happen for so long, and return what did."""
        happened: list[str] = []
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            time.sleep(self._random.uniform(0.2, 2.0))
            for publisher in self._publishers:
                publisher.check()
            with ExitStack() as broken:
                for name, fault in self._some_faults():
                    happened.append(f"{time.monotonic() - start:6.1f} s {name}")
                    broken.enter_context(fault())
                    time.sleep(self._random.uniform(0.0, 1.0))
                # Some are over before the broker is fenced (3 s), and some are not.
                time.sleep(self._random.uniform(0.2, 5.0))
        return happened

    def _some_faults(self) -> list[tuple[str, Callable[[], AbstractContextManager[None]]]]:
        # Of each kind one at most: what is killed cannot be frozen, too.
        node, proxy = self._random.choice(self._nodes), self._random.choice(self._proxies)
        publisher = self._random.choice(self._publishers)
        faults = [
            [
                (f"broker {node.number} is killed", lambda: _broker_killed(node)),
                (f"broker {node.number} is frozen", lambda: _frozen([node])),
                ("all brokers are frozen", lambda: _frozen(self._nodes)),
            ],
            [
                ("connections are cut", lambda: _cut(proxy)),
                ("connections are refused", lambda: _refused(proxy)),
                ("answers are lost", lambda: _answers_lost(proxy)),
                ("the network is slow", lambda: _slow(proxy)),
            ],
            [
                (f"{publisher.name} is killed", lambda: _publisher_killed(publisher)),
                (f"{publisher.name} is frozen", lambda: _frozen([publisher])),
            ],
        ]
        if (disk := self._disk) is not None:
            faults.append([("the disk is full", lambda: _disk_full(disk))])
        kinds = self._random.sample(faults, self._random.choice([1, 1, 2]))
        return [self._random.choice(kind) for kind in kinds]


@contextmanager
def _broker_killed(node: Node) -> Iterator[None]:
    if node.running:
        node.kill()
    yield
    node.start()


@contextmanager
def _frozen(processes: list[Any]) -> Iterator[None]:
    for each in processes:
        each.pause()
    yield
    for each in processes:
        each.resume()


@contextmanager
def _publisher_killed(publisher: ChaosPublisher) -> Iterator[None]:
    publisher.kill()
    yield
    publisher.start()


@contextmanager
def _cut(proxy: Proxy) -> Iterator[None]:
    proxy.cut()
    yield
    proxy.cut()


@contextmanager
def _refused(proxy: Proxy) -> Iterator[None]:
    proxy.refuse()
    yield
    proxy.accept()


@contextmanager
def _answers_lost(proxy: Proxy) -> Iterator[None]:
    proxy.lose_answers()
    yield
    proxy.cut()


@contextmanager
def _slow(proxy: Proxy) -> Iterator[None]:
    proxy.delay(0.3)
    yield
    proxy.delay(0.0)


@contextmanager
def _disk_full(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(64 << 10))
    yield
    filler.unlink()


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """Make a folder that can be filled; without the right to, one that will not be."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        small = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        small = False
    try:
        yield folder if small else None
    finally:
        if small:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _deliver(brokers: str, topic: str, spool_dir: Path) -> None:
    """Do what the next process does with what a killed one left behind."""
    with EventBus(brokers, topic, spool_dir=spool_dir) as bus:
        assert bus.flush(FLUSH_SECONDS) == 0, bus.stats()


def _promised(publisher: ChaosPublisher) -> Iterator[tuple[Line, Ledger]]:
    for line, accepted in publisher.accepted.items():
        killed = line.life in publisher.killed
        yield line, Ledger(accepted, killed=killed, complete=publisher.durable or not killed)
