"""A Kafka broker inside the process, for tests and first steps: librdkafka's mock cluster.

For pytest, ``pytest_plugins = ["atomwire.testing"]`` in a conftest brings the fixture
`embedded_broker`.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, get_args

from atomwire._native import MockCluster, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EmbeddedBroker", "Request"]

Request: TypeAlias = Literal[
    "produce",
    "fetch",
    "list_offsets",
    "offset_commit",
    "offset_fetch",
    "find_coordinator",
    "join_group",
    "heartbeat",
    "leave_group",
    "sync_group",
    "init_producer_id",
    "consumer_group_heartbeat",
]
"""What `EmbeddedBroker.fail` can answer with an error."""

# The protocol's numbers of them, in that order.
_NUMBERS: Final = dict(
    zip(get_args(Request), (0, 1, 2, 8, 9, 10, 11, 12, 13, 14, 22, 68), strict=True)
)
_ALL_NODES: Final = -1
_TOPIC_IS_THERE: Final = 36  # TOPIC_ALREADY_EXISTS
_LONGEST_DELAY: Final = 3600.0


class EmbeddedBroker:
    """A small Kafka cluster in this process, listening on loopback.

    It keeps messages in memory, up to 5 MiB or 100,000 a partition, and then drops the oldest.
    Topics come into being when something is first published to them, or with `create_topic`. It
    has no admin interface. A group that forms takes a tenth of a second; a member that joins
    later may wait for its session's timeout, unless it has ``group_protocol="consumer"``.

    Its methods may be called from any thread. A fault lasts until `mend`.

    Parameters
    ----------
    nodes : int
        Brokers in the cluster. They count from 1.

    Attributes
    ----------
    PARTITIONS : int
        Partitions of a topic that came into being by itself.

    Examples
    --------
    >>> with EmbeddedBroker() as broker:
    ...     bus = EventBus(broker.bootstrap_servers)
    ...     broker.down()  # what does the service do without a broker?
    ...     broker.mend()
    ...     broker.fail("produce", KafkaError.NOT_ENOUGH_REPLICAS, times=3)
    """

    PARTITIONS: Final = 4

    def __init__(self, nodes: int = 1) -> None:
        if nodes < 1:
            raise ValueError(f"nodes={nodes!r}: must be at least 1")
        self._nodes = nodes
        self._cluster: MockCluster | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Addresses for clients, ``host:port``, separated by commas, in the nodes' order.

        Raises
        ------
        RuntimeError
            The broker is not running.
        """
        return self._running().addresses

    def start(self) -> None:
        """Start listening.

        Raises
        ------
        RuntimeError
            The broker is already running.
        """
        if self._cluster is not None:
            raise RuntimeError("the broker is already running")
        self._cluster = MockCluster(self._nodes)

    def create_topic(self, name: str, partitions: int | None = None) -> None:
        """Create a topic before anything is published to it, for consumers that come first.

        Parameters
        ----------
        name : str
            The topic.
        partitions : int, optional
            How many it gets; `PARTITIONS` when left out, and then a topic that is there already
            is left as it is.

        Raises
        ------
        RuntimeError
            The broker is not running.
        ValueError
            The topic is there already and `partitions` is given, or one of them is not valid.
        """
        wanted = self.PARTITIONS if partitions is None else partitions
        if not name:
            raise ValueError(f"name={name!r}: a topic has a name")
        if not 1 <= wanted <= 10_000:
            raise ValueError(f"partitions={wanted!r}: must be from 1 to 10,000")
        error = self._running().create_topic(name, wanted)
        if error == _TOPIC_IS_THERE and partitions is None:
            return
        if error:
            raise ValueError(f"name={name!r}, partitions={wanted!r}: {reason_of(error)}")

    # ---- Faults.

    def down(self, node: int | None = None) -> None:
        """Cut every connection, and refuse new ones. Messages are kept.

        Parameters
        ----------
        node : int, optional
            The node; all when left out. Partitions that it leads stay without a leader.

        Raises
        ------
        RuntimeError
            The broker is not running.
        ValueError
            There is no such node.
        """
        self._check(self._running().set_down(self._number(node)))

    def up(self, node: int | None = None) -> None:
        """Accept connections again, at the same address.

        Parameters
        ----------
        node : int, optional
            The node; all when left out.

        Raises
        ------
        RuntimeError
            The broker is not running.
        ValueError
            There is no such node.
        """
        self._check(self._running().set_up(self._number(node)))

    def slow(self, seconds: float, node: int | None = None) -> None:
        """Have every answer come later.

        Parameters
        ----------
        seconds : float
            By how much, to the millisecond; 0 for at once.
        node : int, optional
            The node; all when left out.

        Raises
        ------
        RuntimeError
            The broker is not running.
        ValueError
            There is no such node, or `seconds` is not from 0 to 3600.
        """
        if not 0 <= seconds <= _LONGEST_DELAY:
            raise ValueError(f"seconds={seconds!r}: must be from 0 to 3600")
        delay = round(seconds * 1000)
        self._check(self._running().set_delay(self._number(node), delay))

    def fail(self, request: Request, error: int, *, times: int = 1) -> None:
        """Answer the next requests of a kind with an error, instead of doing what they ask.

        Parameters
        ----------
        request : Request
            The kind. The errors of a kind are answered in the order in which they were asked for.
        error : int
            A code of Kafka's, such as ``confluent_kafka.KafkaError.NOT_ENOUGH_REPLICAS``;
            ``KafkaError._TRANSPORT`` cuts the connection, and what was asked is not done either.
        times : int
            So many requests.

        Raises
        ------
        RuntimeError
            The broker is not running.
        ValueError
            There is no such kind, `error` is none of Kafka's codes, or `times` is not positive.
        """
        number = _NUMBERS.get(request)
        if number is None:
            raise ValueError(f"request={request!r}: must be one of {', '.join(_NUMBERS)}")
        if not (-200 <= error < 0 or 0 < error < 2**15):
            raise ValueError(f"error={error!r}: must be a code of confluent_kafka.KafkaError")
        if times < 1:
            raise ValueError(f"times={times!r}: must be at least 1")
        self._check(self._running().push_errors(number, times, error))

    def mend(self) -> None:
        """End all faults: every node is up and answers at once, and no request fails.

        Raises
        ------
        RuntimeError
            The broker is not running.
        """
        cluster = self._running()
        for number in _NUMBERS.values():
            self._check(cluster.clear_errors(number))
        self.slow(0)
        self.up()

    def close(self) -> None:
        """Stop, and forget all messages. Closing again does nothing."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

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

    def _running(self) -> MockCluster:
        if self._cluster is None:
            raise RuntimeError("the broker is not running; use `with EmbeddedBroker() as broker:`")
        return self._cluster

    def _number(self, node: int | None) -> int:
        if node is None:
            return _ALL_NODES
        if not 1 <= node <= self._nodes:
            raise ValueError(f"node={node!r}: must be from 1 to {self._nodes}; None for all")
        return node

    @staticmethod
    def _check(error: int) -> None:
        if error:
            raise RuntimeError(f"librdkafka's mock cluster: {reason_of(error)}")


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
