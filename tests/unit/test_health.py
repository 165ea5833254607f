"""healthy() says whether events go through, and not whether some socket is open."""

import time

import pytest
from confluent_kafka import KafkaError

from atomwire.bus import DeliveryError, EventBus, SpoolError
from tests.support.bus import PATIENCE, TOPIC, event, eventually, nobody
from tests.support.spools import locked_by_another_program

# A topic that is not there is not made, either.
NO_TOPIC = {"allow.auto.create.topics": False, "topic.metadata.propagation.max.ms": 0}


@pytest.fixture(params=["plain", "spool", "durable"])
def settings(request, tmp_path):
    if request.param == "plain":
        return {}
    return {"spool_dir": tmp_path, "durable": request.param == "durable"}


def close_in_vain(bus):
    try:
        bus.close(timeout=0)
    except DeliveryError:
        assert not bus._settings.spool_dir


def assert_unhealthy(bus, seconds=1.5):
    """Never, for longer than librdkafka's statistics need."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert not bus.healthy()
        time.sleep(0.005)


def test_not_while_the_topic_is_missing_and_again_when_it_is_there(embedded_broker, settings):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, librdkafka=NO_TOPIC, **settings)
    bus.publish(event())
    assert_unhealthy(bus, 3.0)
    embedded_broker.create_topic(TOPIC)
    assert eventually(bus.healthy)
    assert bus.flush(PATIENCE) == 0
    bus.close()
    assert not bus.healthy()


def test_not_without_a_broker(settings):
    with nobody() as address:
        bus = EventBus(address, TOPIC, **settings)
        bus.publish(event())
        assert_unhealthy(bus)
        close_in_vain(bus)


def test_not_when_the_broker_went_away(embedded_broker, settings):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings)
    assert eventually(bus.healthy)
    embedded_broker.close()
    bus.publish(event())
    assert eventually(lambda: not bus.healthy())
    assert_unhealthy(bus)
    close_in_vain(bus)


def test_again_when_a_new_producer_is_there(embedded_broker, settings):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings)
    assert eventually(bus.healthy)
    first = bus._recovery._session
    first.provoke_fatal_error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "sequence lost")
    assert eventually(lambda: bus._recovery._session not in (None, first))
    # It is not connected yet, as far as is known.
    assert not bus.healthy()
    assert eventually(bus.healthy)
    bus.publish(event())
    assert bus.flush(PATIENCE) == 0
    assert bus.healthy()
    bus.close()


def test_not_while_the_disk_refuses(embedded_broker, tmp_path):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, durable=True, spool_dir=tmp_path)
    assert eventually(bus.healthy)
    with locked_by_another_program(bus._outbox._spool.path):
        with pytest.raises(SpoolError):
            bus.publish(event())
        assert not bus.healthy()
    assert eventually(bus.healthy)
    bus.publish(event())
    bus.close()
