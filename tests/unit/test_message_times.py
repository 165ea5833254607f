"""A broker refuses a message from the future, with all of its batch: none is sent to it."""

import time

import pytest

from atomwire import Encoder, peek_timestamp
from atomwire.bus import BusStats, EventBus
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, nobody, read

HOUR = 3_600 * 10**9


@pytest.fixture(params=["plain", "spool", "durable"])
def settings(request, tmp_path):
    if request.param == "plain":
        return {}
    return {"spool_dir": tmp_path, "durable": request.param == "durable", "queue_size": 10}


def assert_from_now_or_before(messages):
    now = time.time() * 1_000
    assert messages
    assert all(message.timestamp()[1] <= now for message in messages)


@pytest.mark.parametrize("hours", [2, 24 * 365 * 100])
def test_an_event_ahead_of_time_among_others(embedded_broker, settings, hours):
    ahead = time.time_ns() + hours * HOUR
    published = [event(number=n) for n in range(50)]
    published.insert(25, event(number=99, timestamp=ahead))
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=50, **settings) as bus:
        for each in published[:30]:
            bus.publish(each)
        bus.publish_many(published[30:])
        assert bus.flush(PATIENCE) == 0
        assert bus.stats() == BusStats(accepted=51, delivered=51, failed=0, queued=0)
    messages = read(embedded_broker, 51)
    assert by_tenant(messages) == {"acme": published}
    assert_from_now_or_before(messages)
    # What the event says of itself is its writer's.
    assert peek_timestamp(messages[25].value()) == ahead


def test_it_may_have_waited_on_the_disk(embedded_broker, tmp_path):
    with nobody() as address:
        bus = EventBus(address, TOPIC, queue_size=1, spool_dir=tmp_path)
        for n in range(5):
            bus.publish(event(number=n, timestamp=time.time_ns() + 2 * HOUR))
        bus.close(timeout=0)
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, spool_dir=tmp_path):
        pass
    assert_from_now_or_before(read(embedded_broker, 5))


def test_cells_ahead_of_time(embedded_broker, settings):
    ahead = time.time_ns() + 2 * HOUR
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=50, **settings) as bus:
        for number in range(50):
            bus.write("acme", number, 1.0, timestamp=ahead if number % 2 else None)
        bus.publish(Encoder("acme").cell(1, 1.0, timestamp=ahead))
        assert bus.flush(PATIENCE) == 0
        stats = bus.stats()
    assert stats.failed == 0
    assert_from_now_or_before(read(embedded_broker, stats.delivered))
