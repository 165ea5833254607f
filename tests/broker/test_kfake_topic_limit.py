"""A topic that takes less than the bus: its limit is learned, and said before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atomwire import EventBus, Molecules, encode
from atomwire.bus import EventTooLargeError
from tests.broker.kfake import FOREVER, FakeKafka
from tests.support.bus import PATIENCE, eventually

LIMIT = 5_000
# As the protocol numbers them.
DESCRIBE_CONFIGS = 32
TOPIC_AUTHORIZATION_FAILED = 29


@pytest.fixture
def topic(fake_kafka: FakeKafka) -> str:
    [made] = fake_kafka.new_topics(1, max_message_bytes=LIMIT)
    return made


@pytest.fixture(params=["plain", "spool", "durable"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    mode = {} if request.param == "plain" else {"spool_dir": tmp_path}
    return {**mode, "durable": request.param == "durable", "compression": "none"}


def event(cells: int) -> bytes:
    return encode("acme", Molecules(list(range(cells)), numeric_value=1.0))


def knows(bus: EventBus) -> bool:
    return bus._queue.event_limit == LIMIT


def test_an_event_that_the_topic_does_not_take_is_refused_in_the_call(
    fake_kafka: FakeKafka, topic: str, settings: dict[str, Any]
) -> None:
    with EventBus(fake_kafka.bootstrap_servers, topic, **settings) as bus:
        assert eventually(lambda: knows(bus))
        large, small = event(200), event(20)
        assert len(large) > LIMIT > len(small)
        for call in (bus.publish, bus.submit, lambda each: bus.publish_many([each])):
            with pytest.raises(EventTooLargeError, match=f"max.message.bytes={LIMIT:,}"):
                call(large)
        with pytest.raises(EventTooLargeError, match=f"max.message.bytes={LIMIT:,}") as caught:
            bus.write("acme", 1, "x" * LIMIT)
        assert "max_event_bytes" not in str(caught.value)
        assert bus.stats().accepted == 0
        bus.publish(small)
        assert bus.flush(PATIENCE) == 0
        assert bus.stats().delivered == 1


def test_nothing_is_refused_once_the_limit_is_known(
    fake_kafka: FakeKafka,
    topic: str,
    settings: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with EventBus(fake_kafka.bootstrap_servers, topic, linger_ms=100, **settings) as bus:
        # A producer whose batches fit takes the place of the first.
        first = bus._recovery._session
        assert eventually(lambda: knows(bus) and bus._recovery._session not in (None, first))
        for number in range(300):
            bus.publish(event(20))
            bus.write("other", number, 1.0)
        bus.write_molecules("many", Molecules(list(range(2_000)), numeric_value=1.0))
        assert bus.flush(PATIENCE) == 0
        stats = bus.stats()
        assert (stats.failed, stats.delivered) == (0, stats.accepted)
    assert not [line for line in caplog.messages if "replacing the producer" in line]


def test_what_was_taken_before_the_limit_was_known_is_the_brokers_to_judge(
    fake_kafka: FakeKafka, topic: str, settings: dict[str, Any]
) -> None:
    with fake_kafka.refuse(
        TOPIC_AUTHORIZATION_FAILED, key=DESCRIBE_CONFIGS, count=FOREVER
    ) as refused:
        bus = EventBus(fake_kafka.bootstrap_servers, topic, **settings)
        future = bus.submit(event(200))
        bus.publish(event(20))
        refused.wait()
    error = future.exception(PATIENCE)
    assert "too large" in str(error).lower()
    assert bus.flush(PATIENCE) == 0
    assert (bus.stats().delivered, bus.stats().failed) == (1, 1)
    with pytest.raises(type(error)):
        bus.close()
