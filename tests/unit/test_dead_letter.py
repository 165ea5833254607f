"""Messages that are no events, set apart: whole, with the reason, and before the commit."""

import logging

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from atomwire.bus import ConsumerError, EventConsumer
from atomwire.bus.consume.dead_letters import DeadLetters
from tests.support.bus import PATIENCE, TOPIC, event


@pytest.fixture
def produce(embedded_broker):
    """Write any bytes to partition 0, as a stranger might."""

    def produce(*values: bytes | None) -> None:
        producer = Producer(
            {"bootstrap.servers": embedded_broker.bootstrap_servers},
            logger=logging.getLogger("test"),
        )
        for value in values:
            producer.produce(TOPIC, value, "acme", partition=0, timestamp=1_700_000_000_000)
        assert producer.flush(PATIENCE) == 0

    return produce


@pytest.fixture
def consumer(embedded_broker):
    made = []

    def make(**options: object) -> EventConsumer:
        made.append(
            EventConsumer(
                embedded_broker.bootstrap_servers,
                TOPIC,
                "engine",
                group_protocol="consumer",
                on_invalid="dead-letter",
                **options,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def letters(broker):
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "unused",
            "fetch.wait.max.ms": 10,
        },
        logger=logging.getLogger("test"),
    )
    topic = f"{TOPIC}.dead-letter"
    partitions = [TopicPartition(topic, n, 0) for n in range(broker.PARTITIONS)]
    consumer.assign(partitions)
    stored = sum(consumer.get_watermark_offsets(each, timeout=PATIENCE)[1] for each in partitions)
    found = []
    while len(found) < stored:
        found += [each for each in consumer.consume(100, 0.1) if each.error() is None]
    consumer.close()
    return found


def gather(reader, count):
    received = []
    for batch in reader.batches(max_wait=PATIENCE):
        received += [message.value() for message in batch.messages]
        batch.commit()
        if len(received) >= count:
            return received
    return received


def test_a_bad_message_is_set_apart_with_the_reason(produce, consumer, embedded_broker, caplog):
    good = [event(number=n) for n in range(3)]
    produce(good[0], b"nonsense", good[1], None, b"", good[2])
    assert gather(consumer(), 3) == good
    found = letters(embedded_broker)
    assert [each.value() for each in found] == [b"nonsense", None, b""]
    assert {each.key() for each in found} == {b"acme"}
    assert {each.timestamp()[1] for each in found} == {1_700_000_000_000}
    headers = [dict(each.headers()) for each in found]
    assert [each["offset"] for each in headers] == [b"1", b"3", b"4"]
    assert {(each["topic"], each["partition"]) for each in headers} == {(b"cells", b"0")}
    assert headers[0]["reason"].startswith(b"AtomEvent: ")
    assert headers[1]["reason"].startswith(b"message: has no value")
    assert any("became a dead letter" in line for line in caplog.messages)


def test_what_was_set_apart_is_committed_with_the_rest(produce, consumer, embedded_broker):
    produce(b"nonsense", event(number=1))
    reader = consumer()
    gather(reader, 1)
    reader.close()
    later = event(number=2)
    produce(later)
    assert gather(consumer(), 1) == [later]
    assert len(letters(embedded_broker)) == 1


def test_nothing_is_committed_before_the_acknowledgement(produce, consumer, monkeypatch):
    produce(b"nonsense", event(number=1))
    reader = consumer()
    monkeypatch.setattr("atomwire.bus.consume.dead_letters._PATIENCE_SECONDS", 0.0)
    # The report of success does not come.
    monkeypatch.setattr(DeadLetters, "_on_delivery", lambda *_: None)
    batch = next(batch for batch in reader.batches(max_wait=PATIENCE) if len(batch))
    with pytest.raises(ConsumerError, match=r"1 dead letters were not acknowledged"):
        batch.commit()
    reader.close()
    monkeypatch.undo()
    received = gather(consumer(), 1)
    assert len(received) == 1
