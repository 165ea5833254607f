"""A Kafka cluster on loopback: real processes in KRaft mode, of the version that pom.xml names.

``python -m tests.broker.cluster [NODES]`` runs one until Ctrl-C or the end of its
input, for trying things out.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from atomwire.bus.log import RateLimitedLog
from tests.broker.node import Node
from tests.broker.ports import HOST, Ports

_START_SECONDS = 120.0


@dataclass(frozen=True)
class Security:
    """A listener with SASL_SSL and SCRAM beside the plain one.

    Attributes
    ----------
    keystore : Path
        The broker's key and certificate, PKCS #12.
    store_password : str
        What opens the keystore.
    users : dict[str, str]
        Passwords by user.
    """

    keystore: Path
    store_password: str = field(repr=False)
    users: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Address:
    """The ports of one node. `proxied` is what it advertises to those who come by `behind`."""

    plain: int
    controller: int
    behind: int
    proxied: int
    secure: int


class Cluster:
    """Nodes that are brokers and controllers at once.

    Each has a second listener, which it advertises at another port: there a proxy can sit that
    clients cannot get around.

    Parameters
    ----------
    nodes : int
        How many; three survive the loss of one.
    folder : Path, optional
        Where data and logs go; otherwise a temporary folder.
    security : Security, optional
        Adds a listener with SASL_SSL.
    heap_megabytes : int
        Java's heap for each node.
    quick : bool
        Quick to start rather than quick to serve; not for benchmarks.
    """

    def __init__(
        self,
        nodes: int = 1,
        folder: Path | None = None,
        *,
        security: Security | None = None,
        heap_megabytes: int = 256,
        quick: bool = True,
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="atomwire-kafka-"))
        self._temporary = folder is None
        self._security = security
        self._ports = Ports()
        take = self._ports.take
        self.addresses = [Address(take(), take(), take(), take(), take()) for _ in range(nodes)]
        self.nodes = [
            Node(
                number,
                self.folder / f"node-{number}",
                self._properties(address),
                heap_megabytes=heap_megabytes,
                quick=quick,
            )
            for number, address in enumerate(self.addresses, 1)
        ]

    @property
    def bootstrap_servers(self) -> str:
        """Addresses for clients of the plain listener."""
        return self._servers("plain")

    @property
    def proxied_servers(self) -> str:
        """Addresses at which proxies are expected."""
        return self._servers("proxied")

    @property
    def secure_servers(self) -> str:
        """Addresses for clients with SASL_SSL."""
        return self._servers("secure")

    def start(self) -> None:
        """Format the storage, start all nodes and wait until they serve."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        scram = []
        for user, password in (self._security.users if self._security else {}).items():
            scram += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        for node in self.nodes:
            node.format(cluster_id, *scram)
        for node in self.nodes:
            node.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until every running node serves clients, and knows all others that run."""
        deadline = time.monotonic() + _START_SECONDS
        wanted = {node.number for node in self.nodes if node.running}
        for number in wanted:
            node, address = self.nodes[number - 1], self.addresses[number - 1]
            while not _known_to(f"{HOST}:{address.plain}") >= wanted:
                if not node.running or time.monotonic() > deadline:
                    tail = node.log_tail()
                    node.write_threads()
                    raise RuntimeError(f"Kafka does not come up:\n{tail}")

    def leader(self, topic: str, partition: int) -> Node:
        """Return the node that leads a partition."""
        metadata = _admin(self.bootstrap_servers).list_topics(topic, timeout=_START_SECONDS)
        return self.nodes[metadata.topics[topic].partitions[partition].leader - 1]

    def close(self) -> None:
        """Shut down; the logs stay where the folder was given."""
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            node.wait_gone()
        self._ports.release()
        for node in self.nodes:
            shutil.rmtree(self.folder / f"node-{node.number}" / "data", ignore_errors=True)
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _servers(self, listener: str) -> str:
        return ",".join(f"{HOST}:{getattr(address, listener)}" for address in self.addresses)

    def _properties(self, address: Address) -> dict[str, object]:
        voters = ",".join(f"{n}@{HOST}:{a.controller}" for n, a in enumerate(self.addresses, 1))
        copies = min(3, len(self.addresses))
        listeners = {
            "PLAIN": address.plain,
            "BEHIND": address.behind,
            "CONTROLLER": address.controller,
        }
        protocols = dict.fromkeys(listeners, "PLAINTEXT")
        advertised = {"PLAIN": address.plain, "BEHIND": address.proxied}
        secure: dict[str, object] = {}
        if self._security is not None:
            listeners["SECURE"] = advertised["SECURE"] = address.secure
            protocols["SECURE"] = "SASL_SSL"
            secure = {
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.secure.sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.secure.scram-sha-512.sasl.jaas.config": (
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                ),
                "ssl.keystore.type": "PKCS12",
                "ssl.keystore.location": self._security.keystore,
                "ssl.keystore.password": self._security.store_password,
                "ssl.key.password": self._security.store_password,
            }
        return {
            "process.roles": "broker,controller",
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAIN",
            "listeners": _listeners(listeners),
            "advertised.listeners": _listeners(advertised),
            "listener.security.protocol.map": ",".join(
                f"{name}:{protocol}" for name, protocol in protocols.items()
            ),
            **secure,
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": min(2, copies),
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": min(2, copies),
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": min(2, copies),
            "group.initial.rebalance.delay.ms": 0,
            # A node that died is noticed in 3 seconds instead of 9.
            "broker.heartbeat.interval.ms": 500,
            "broker.session.timeout.ms": 3000,
            # Small, for a small heap.
            "log.cleaner.dedupe.buffer.size": 4 << 20,
            "log.index.size.max.bytes": 1 << 20,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }


def _admin(servers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": servers}, logger=RateLimitedLog())


def _known_to(server: str) -> set[int]:
    # A client of its own for each question: one that knows other nodes would ask those, too, and
    # one that a node just fenced by its controller tells of no node may never ask again
    # (https://github.com/confluentinc/librdkafka/issues/5301).
    admin = _admin(server)
    try:
        # Waits for an answer, so a loop around it does not spin while nobody answers.
        return set(admin.list_topics(timeout=1.0).brokers)
    except KafkaException:
        return set()


def _listeners(ports: dict[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with Cluster(count) as cluster:
        print(f"ATOMWIRE_BROKERS={cluster.bootstrap_servers}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()
