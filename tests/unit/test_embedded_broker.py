"""The embedded broker: found by other clients, quiet, and gone afterwards."""

import logging
import socket
import subprocess
import sys

import pytest
from confluent_kafka import Producer

from atomwire.testing import EmbeddedBroker


def client(broker: EmbeddedBroker) -> Producer:
    return Producer(
        {"bootstrap.servers": broker.bootstrap_servers}, logger=logging.getLogger("test")
    )


def connect(address: str) -> None:
    host, port = address.split(":")
    socket.create_connection((host, int(port)), timeout=10).close()


def test_another_client_finds_it():
    with EmbeddedBroker() as broker:
        metadata = client(broker).list_topics("cells", timeout=30)
    assert len(metadata.topics["cells"].partitions) == EmbeddedBroker.PARTITIONS


def test_it_can_have_several_nodes():
    with EmbeddedBroker(nodes=3) as broker:
        assert len(set(broker.bootstrap_servers.split(","))) == 3
        assert len(client(broker).list_topics(timeout=30).brokers) == 3


def test_every_address_answers():
    with EmbeddedBroker(nodes=2) as broker:
        for address in broker.bootstrap_servers.split(","):
            connect(address)


def test_two_brokers_are_strangers():
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        assert one.bootstrap_servers != other.bootstrap_servers
        client(one).list_topics("cells", timeout=30)
        assert "cells" not in client(other).list_topics(timeout=30).topics


def test_it_is_gone_after_close():
    with EmbeddedBroker() as broker:
        address = broker.bootstrap_servers
    with pytest.raises(ConnectionRefusedError):
        connect(address)


def test_close_twice_and_start_again():
    broker = EmbeddedBroker()
    broker.close()
    broker.start()
    broker.close()
    broker.close()
    with broker:
        connect(broker.bootstrap_servers)


def test_it_has_no_address_unless_it_runs():
    broker = EmbeddedBroker()
    with pytest.raises(RuntimeError, match="not running"):
        _ = broker.bootstrap_servers
    with broker:
        pass
    with pytest.raises(RuntimeError, match="not running"):
        _ = broker.bootstrap_servers


def test_it_cannot_be_started_twice():
    with EmbeddedBroker() as broker, pytest.raises(RuntimeError, match="already running"):
        broker.start()


def test_a_topic_can_be_created_first():
    broker = EmbeddedBroker()
    with pytest.raises(RuntimeError, match="not running"):
        broker.create_topic("cells")
    with broker:
        broker.create_topic("cells")
        assert "cells" in client(broker).list_topics(timeout=30).topics


def test_a_topic_has_the_partitions_that_were_asked_for():
    with EmbeddedBroker() as broker:
        broker.create_topic("cells", partitions=7)
        broker.create_topic("cells")  # is there, and stays as it is
        assert len(client(broker).list_topics("cells", timeout=30).topics["cells"].partitions) == 7


def test_it_needs_a_node():
    with pytest.raises(ValueError, match="nodes=0"):
        EmbeddedBroker(nodes=0)


def test_nothing_is_printed(capfd):
    with EmbeddedBroker() as broker:
        client(broker).list_topics("cells", timeout=30)
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


def test_the_fixture_is_a_running_broker(embedded_broker):
    connect(embedded_broker.bootstrap_servers)


def test_the_module_needs_no_pytest():
    code = (
        "import sys; sys.modules['pytest'] = None; import atomwire.testing as t; t.EmbeddedBroker"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
