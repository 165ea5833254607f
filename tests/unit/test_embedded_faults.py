"""The embedded broker's faults: what a service meets, and that it ends with `mend`."""

import contextlib
import logging
import socket
import threading
import time

import pytest
from confluent_kafka import KafkaError, Producer
from support import bus as support
from support.programs import in_child

import atomwire
from atomwire.testing import EmbeddedBroker


def cell(number):
    return atomwire.Encoder("acme").cell(number, 1.0)


def reaches(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


def hashes(broker, count):
    return [atomwire.peek_coordinate_hash(each.value()) for each in support.read(broker, count)]


@pytest.fixture
def broker():
    with EmbeddedBroker(nodes=2) as broker:
        broker.create_topic(support.TOPIC)
        yield broker


def test_nobody_reaches_a_broker_that_is_down(broker):
    addresses = broker.bootstrap_servers.split(",")
    broker.down()
    assert [reaches(each) for each in addresses] == [False, False]
    assert broker.bootstrap_servers.split(",") == addresses
    broker.up()
    assert [reaches(each) for each in addresses] == [True, True]


def test_one_node_can_be_down(broker):
    addresses = broker.bootstrap_servers.split(",")
    broker.down(node=2)
    assert [reaches(each) for each in addresses] == [True, False]
    broker.up(node=2)
    assert reaches(addresses[1])


def test_messages_survive_and_what_waits_arrives(broker):
    with atomwire.EventBus(broker.bootstrap_servers, support.TOPIC) as bus:
        bus.submit(cell(1)).result(30)
        broker.down()
        waiting = bus.submit(cell(2))
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        broker.up()
        waiting.result(30)
    assert hashes(broker, 2) == [1, 2]


def test_answers_come_later(broker):
    with atomwire.EventBus(broker.bootstrap_servers, support.TOPIC) as bus:
        bus.submit(cell(1)).result(30)
        broker.slow(0.5)
        start = time.monotonic()
        bus.submit(cell(2)).result(30)
        assert time.monotonic() - start >= 0.5


@pytest.mark.parametrize("error", [KafkaError.NOT_ENOUGH_REPLICAS, KafkaError._TRANSPORT])
def test_a_passing_error_is_tried_again(broker, error):
    with atomwire.EventBus(broker.bootstrap_servers, support.TOPIC) as bus:
        bus.submit(cell(1)).result(30)
        broker.fail("produce", error, times=2)
        bus.submit(cell(2)).result(30)
    assert hashes(broker, 2) == [1, 2]


def test_errors_are_answered_in_order_and_so_many_times(broker):
    configuration = {"bootstrap.servers": broker.bootstrap_servers, "retries": 0, "linger.ms": 0}
    producer = Producer(configuration, logger=logging.getLogger("test"))
    told = []

    def produce():
        producer.produce(support.TOPIC, b"value", on_delivery=lambda error, _: told.append(error))
        assert producer.flush(30) == 0

    broker.fail("produce", KafkaError.INVALID_RECORD, times=70)
    for _ in range(3):
        produce()
    broker.mend()
    broker.fail("produce", KafkaError.MSG_SIZE_TOO_LARGE)
    broker.fail("produce", KafkaError.INVALID_RECORD)
    for _ in range(3):
        produce()
    assert [error and error.code() for error in told] == [
        *(KafkaError.INVALID_RECORD,) * 3,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        None,
    ]


def test_mend_ends_everything(broker):
    broker.down()
    broker.slow(60)
    broker.fail("produce", KafkaError.TOPIC_AUTHORIZATION_FAILED, times=1000)
    broker.fail("find_coordinator", KafkaError.GROUP_AUTHORIZATION_FAILED, times=1000)
    broker.mend()
    with atomwire.EventBus(broker.bootstrap_servers, support.TOPIC) as bus:
        bus.submit(cell(1)).result(30)
    assert hashes(broker, 1) == [1]


CALLS = {
    "down": lambda broker: broker.down(),
    "up": lambda broker: broker.up(1),
    "slow": lambda broker: broker.slow(0.1),
    "fail": lambda broker: broker.fail("fetch", KafkaError.UNKNOWN),
    "mend": lambda broker: broker.mend(),
    "create_topic": lambda broker: broker.create_topic("cells", 2),
}


@pytest.mark.parametrize("name", CALLS)
def test_there_is_no_fault_unless_it_runs(name):
    with pytest.raises(RuntimeError, match=r"not running; use `with"):
        CALLS[name](EmbeddedBroker())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda broker: broker.down(3), "node=3: must be from 1 to 2"),
        (lambda broker: broker.up(0), "node=0: must be from 1 to 2"),
        (lambda broker: broker.slow(-1), "seconds=-1: must be from 0"),
        (lambda broker: broker.slow(float("nan")), "seconds=nan"),
        (lambda broker: broker.fail("publish", 7), "request='publish': must be one of produce,"),
        (lambda broker: broker.fail("fetch", 0), "error=0"),
        (lambda broker: broker.fail("fetch", 1 << 20), "error=1048576"),
        (lambda broker: broker.fail("fetch", 7, times=0), "times=0"),
        (lambda broker: broker.create_topic("cells", 0), "partitions=0"),
        (lambda broker: broker.create_topic(""), "name=''"),
        (lambda broker: broker.create_topic(support.TOPIC, 5), "partitions=5: .*already exists"),
    ],
)
def test_a_wrong_argument_is_named(broker, call, says):
    with pytest.raises(ValueError, match=says):
        call(broker)


def test_any_thread_may_call_while_it_is_closed():
    broker = EmbeddedBroker()
    broker.start()
    begun = threading.Barrier(5)

    def call(method):
        begun.wait()
        with contextlib.suppress(RuntimeError):  # once it is closed
            for _ in range(200):
                method()

    threads = [
        threading.Thread(target=call, args=(method,))
        for method in (broker.down, broker.up, broker.mend, lambda: broker.slow(0.001))
    ]
    for thread in threads:
        thread.start()
    begun.wait()
    broker.close()
    for thread in threads:
        thread.join()


def test_a_child_leaves_it_to_its_parent(broker):
    addresses = broker.bootstrap_servers
    assert in_child(broker.close) == 0
    assert broker.bootstrap_servers == addresses
    assert all(map(reaches, broker.bootstrap_servers.split(",")))


@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_a_bus_delivers_to_a_slow_broker(seconds):
    with EmbeddedBroker() as broker:
        broker.slow(seconds)
        with atomwire.EventBus(broker.bootstrap_servers, support.TOPIC) as bus:
            bus.publish(cell(1))
            assert bus.flush(support.PATIENCE) == 0
            assert bus.stats().delivered == 1
