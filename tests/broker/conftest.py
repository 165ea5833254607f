"""Fixtures of the broker tests: which broker, fresh topics on it, and nodes that may be killed.

The tests start Apache Kafka themselves. With ``ATOMWIRE_BROKERS`` they use the brokers it names,
and those that need to break a broker are skipped. Where Java, Maven or Go is missing, what needs it
is skipped too; with ``BROKER_TESTS_REQUIRED=1`` it fails instead.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from atomwire.bus.log import RateLimitedLog
from tests.broker import jars
from tests.broker.cluster import Cluster
from tests.broker.go_service import GoService
from tests.broker.kfake import FakeKafka
from tests.broker.node import Node
from tests.broker.proxy import Proxy

T = TypeVar("T")
NewTopicOf = Callable[..., str]

_GIVEN = os.environ.get("ATOMWIRE_BROKERS", "")
_REQUIRED = os.environ.get("BROKER_TESTS_REQUIRED") == "1"
_LOGS: list[Path] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "broker: needs a Kafka broker, started where there is none")
    config.addinivalue_line("markers", "faults: breaks a broker under load; takes a while")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.broker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        for folder in _LOGS:
            terminalreporter.write_line(f"Kafka's logs: {folder}")


@pytest.fixture(scope="session")
def require_kafka() -> None:
    """Skip the tests that need a broker of their own where there can be none."""
    if _GIVEN:
        pytest.skip("needs a broker of its own to break, and ATOMWIRE_BROKERS names another's")
    or_skip(jars.class_path)


@pytest.fixture(scope="session")
def kafka(require_kafka: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node, for all tests of the session."""
    yield from _cluster(1, tmp_path_factory)


@pytest.fixture(scope="module")
def three_nodes(require_kafka: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes."""
    yield from _cluster(3, tmp_path_factory)


@pytest.fixture(scope="session")
def brokers(request: pytest.FixtureRequest) -> str:
    """Addresses of a broker that is up and stays up."""
    return _GIVEN or request.getfixturevalue("kafka").bootstrap_servers


@pytest.fixture(scope="session")
def go_service(tmp_path_factory: pytest.TempPathFactory) -> GoService:
    """The peer that publishes with kafka-go."""
    return or_skip(lambda: GoService(tmp_path_factory.mktemp("go")))


@pytest.fixture(scope="session")
def fake_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeKafka]:
    """A second implementation of the protocol, which fails as it is told."""
    folder = tmp_path_factory.mktemp("kfake")
    with or_skip(lambda: FakeKafka(folder)) as fake:
        yield fake


@pytest.fixture
def node(kafka: Cluster) -> Iterator[Node]:
    """The only node of its cluster, for one test to break."""
    yield kafka.nodes[0]
    _mend(kafka)


@pytest.fixture
def trio(three_nodes: Cluster) -> Iterator[Cluster]:
    """Three nodes, for one test to break one of."""
    yield three_nodes
    _mend(three_nodes)


@pytest.fixture
def proxy(kafka: Cluster) -> Iterator[Proxy]:
    """A proxy before the only node; clients reach it at `kafka.proxied_servers`."""
    address = kafka.addresses[0]
    with Proxy(address.proxied, address.behind) as proxy:
        yield proxy


@pytest.fixture
def new_topic() -> NewTopicOf:
    """Makes a topic and returns its name."""

    def create(brokers: str, partitions: int = 4) -> str:
        name = f"events-{uuid.uuid4().hex[:12]}"
        admin = AdminClient({"bootstrap.servers": brokers}, logger=RateLimitedLog())
        admin.create_topics([NewTopic(name, partitions)])[name].result(60)
        return name

    return create


def or_skip(get: Callable[[], T]) -> T:
    """Return what `get` returns, or skip the test for what is missing."""
    try:
        return get()
    except jars.MissingError as error:
        if _REQUIRED:
            raise
        pytest.skip(str(error))


def _cluster(nodes: int, folders: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = folders.mktemp(f"kafka-{nodes}-")
    _LOGS.append(folder)
    with Cluster(nodes, folder) as cluster:
        yield cluster


def _mend(cluster: Cluster) -> None:
    for node in cluster.nodes:
        if node.running:
            node.resume()
        else:
            node.start()
    cluster.wait_ready()
