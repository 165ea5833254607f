"""A Kafka broker inside the process, for tests and first steps: librdkafka's mock cluster.

For pytest, ``pytest_plugins = ["atomwire.testing"]`` in a conftest brings the fixture
`embedded_broker`.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import Producer

from atomwire.bus.log import RateLimitedLog

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EmbeddedBroker"]

_START_SECONDS = 10.0
_NOT_RUNNING = "the broker is not running; use `with EmbeddedBroker() as broker:`"


class EmbeddedBroker:
    """A small Kafka cluster in this process, listening on loopback.

    It keeps messages in memory, up to 5 MiB or 100,000 a partition, and then drops the oldest.
    Topics come into being when something is first published to them. It has no admin interface.
    A group of the classic protocol takes 3 seconds to form, one of ``group_protocol="consumer"``
    a tenth of one.

    Parameters
    ----------
    nodes : int
        Brokers in the cluster.

    Attributes
    ----------
    PARTITIONS : int
        Partitions of every topic. The mock cluster offers clients no way to choose.

    Examples
    --------
    >>> with EmbeddedBroker() as broker:
    ...     bus = EventBus(broker.bootstrap_servers)
    """

    PARTITIONS: Final = 4

    def __init__(self, nodes: int = 1) -> None:
        if nodes < 1:
            raise ValueError(f"nodes={nodes!r}: must be at least 1")
        self._nodes = nodes
        self._owner: Producer | None = None
        self._bootstrap_servers = ""

    @property
    def bootstrap_servers(self) -> str:
        """Addresses for clients, ``host:port``, separated by commas.

        Raises
        ------
        RuntimeError
            The broker is not running.
        """
        if self._owner is None:
            raise RuntimeError(_NOT_RUNNING)
        return self._bootstrap_servers

    def start(self) -> None:
        """Start listening.

        Raises
        ------
        RuntimeError
            The broker is already running.
        """
        if self._owner is not None:
            raise RuntimeError("the broker is already running")
        # Without a logger librdkafka would print lines of the cluster to stderr.
        owner = Producer({"test.mock.num.brokers": self._nodes}, logger=RateLimitedLog())
        # The ports are the cluster's choice; its owner is told them as any client is.
        brokers = owner.list_topics(timeout=_START_SECONDS).brokers.values()
        self._bootstrap_servers = ",".join(f"{each.host}:{each.port}" for each in brokers)
        self._owner = owner

    def create_topic(self, name: str) -> None:
        """Create a topic before anything is published to it, for consumers that come first.

        Raises
        ------
        RuntimeError
            The broker is not running.
        """
        if self._owner is None:
            raise RuntimeError(_NOT_RUNNING)
        self._owner.list_topics(name, timeout=_START_SECONDS)

    def close(self) -> None:
        """Stop, and forget all messages. Closing again does nothing."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


try:
    import pytest
except ImportError:
    pass
else:

    @pytest.fixture
    def embedded_broker() -> Iterator[EmbeddedBroker]:
        """Run a broker for one test."""
        with EmbeddedBroker() as broker:
            yield broker
