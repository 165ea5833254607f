"""A producer that fails for good is replaced, and what it had not delivered goes first."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from atomwire.bus import BusStats, DeliveryError, EventBus, PublishError
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, nobody, read

# The mock cluster cannot be made to fail a producer for good, so librdkafka's word is given here.
FATAL = KafkaError(KafkaError._FATAL, "sequence lost", fatal=True)


@pytest.fixture(params=["memory", "spool", "durable"])
def options(request, tmp_path):
    if request.param == "memory":
        return {}
    return {"spool_dir": tmp_path, "durable": request.param == "durable"}


def fail(bus: EventBus) -> None:
    bus._keeper.line._on_error(FATAL)


def test_undelivered_events_go_out_first_and_in_order(embedded_broker, options):
    published = {tenant: [event(tenant, n) for n in range(300)] for tenant in ("a", "b")}
    turns = [each for pair in zip(*published.values(), strict=True) for each in pair]
    # Nothing has left when the producer fails: everything must be moved.
    bus = EventBus(
        embedded_broker.bootstrap_servers, TOPIC, linger_ms=60_000, batch_size=10_000, **options
    )
    first = bus._keeper.line
    for each in turns[:300]:
        bus.publish(each)
    fail(bus)
    for each in turns[300:]:
        bus.publish(each)
    assert eventually(lambda: bus._keeper.line is not first)
    assert bus.flush(PATIENCE) == 0
    assert bus.stats() == BusStats(accepted=600, delivered=600, failed=0, queued=0)
    assert eventually(bus.healthy)
    bus.close()
    assert by_tenant(read(embedded_broker, 600)) == published


def test_an_event_that_a_failed_producer_refuses_waits_for_the_next(embedded_broker, monkeypatch):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC)
    assert eventually(bus.healthy)
    published = [event(number=n) for n in range(3)]

    def produce(*_: object) -> None:
        raise KafkaException(FATAL)

    bus._lane.open(produce, diverted=False)
    for each in published:
        bus.publish(each)
    assert bus.flush(PATIENCE) == 0
    bus.close()
    assert by_tenant(read(embedded_broker, 3)) == {"acme": published}


def test_another_refusal_is_told(embedded_broker):
    def produce(*_: object) -> None:
        raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC, "no such topic"))

    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        bus._lane.open(produce, diverted=False)
        with pytest.raises(PublishError, match="no such topic") as caught:
            bus.publish_many([event(), event()])
        assert caught.value.accepted == 0
        assert bus.stats() == BusStats(accepted=0, delivered=0, failed=0, queued=0)


def test_what_is_stored_and_then_refused_is_counted_and_forgotten(embedded_broker, tmp_path):
    def produce(*_: object) -> None:
        raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC, "no such topic"))

    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, durable=True, spool_dir=tmp_path)
    bus._lane.open(produce, diverted=False)
    bus.publish(event())
    bus.publish_many([event(), event()])
    assert eventually(lambda: bus.stats().failed == 3)
    with pytest.raises(DeliveryError, match="3 of 3"):
        bus.close()
    assert bus.stats() == BusStats(accepted=3, delivered=0, failed=3, queued=0)
    assert list(tmp_path.iterdir()) == []


def test_a_future_survives_the_change(embedded_broker, options):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=60_000, **options)
    future = bus.submit(event())
    fail(bus)
    assert bus.flush(PATIENCE) == 0
    assert future.result(PATIENCE) is None
    bus.close()


def test_closing_before_the_change_is_over_tells_the_exact_number():
    with nobody() as address:
        bus = EventBus(address, TOPIC)
        bus.publish_many([event(number=n) for n in range(10)])
        fail(bus)
        bus.publish_many([event(number=n) for n in range(5)])
        with pytest.raises(DeliveryError, match="15 of 15"):
            bus.close(timeout=0)
    assert bus.stats() == BusStats(accepted=15, delivered=0, failed=15, queued=0)
