"""The brokers of the benchmarks, both in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from atomwire.bus.log import RateLimitedLog
from atomwire.testing import EmbeddedBroker
from tests.broker.cluster import Cluster

PARTITIONS = EmbeddedBroker.PARTITIONS


@dataclass(frozen=True)
class Broker:
    """Where to publish. `cluster` is None for the embedded broker."""

    name: str
    servers: str
    cluster: Cluster | None = None

    def topic(self) -> str:
        """Make a topic of `PARTITIONS` partitions and return its name."""
        name = f"bench-{uuid.uuid4().hex[:12]}"
        if self.cluster is None:
            # The mock cluster makes topics when somebody asks for them.
            asker = Producer({"bootstrap.servers": self.servers}, logger=RateLimitedLog())
            asker.list_topics(name, timeout=30)
        else:
            admin = AdminClient({"bootstrap.servers": self.servers}, logger=RateLimitedLog())
            admin.create_topics([NewTopic(name, PARTITIONS)])[name].result(60)
        return name


@contextmanager
def embedded() -> Iterator[Broker]:
    """Run the embedded broker in another process, as Kafka is."""
    command = [sys.executable, "-m", "benchmarks.bus.brokers", str(os.getpid())]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Broker("embedded", process.stdout.readline().strip())
        finally:
            process.stdin.close()  # tells it to end, as our own death would


@contextmanager
def kafka() -> Iterator[Broker]:
    """Run one node of Apache Kafka, with the memory and the collector of its own start script."""
    with Cluster(1, heap_megabytes=1024, quick=False) as cluster:
        yield Broker("Kafka", cluster.bootstrap_servers, cluster)


if __name__ == "__main__":
    with EmbeddedBroker() as broker:
        print(broker.bootstrap_servers, flush=True)
        sys.stdin.read()
