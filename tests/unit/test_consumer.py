"""Consuming: batches as soon as there is something, filters, commits, and bad messages."""

import asyncio
import itertools
import logging
import socket
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from confluent_kafka import KafkaError, Producer

from atomwire import EventType, InvalidEventError, Molecules, encode
from atomwire.bus import (
    BusClosedError,
    ConsumerError,
    EventBatch,
    EventBus,
    EventConsumer,
    SettingsError,
)

TOPIC = "cells"
# Far more than anything here takes: reached only when a test fails.
PATIENCE = 60.0


def event(tenant_id: str = "acme", number: int = 1, molecules: int = 1, **fields: object) -> bytes:
    """Encode an event with the hashes (number, 0), (number, 1) and so on."""
    return encode(
        tenant_id, Molecules([number + (row << 64) for row in range(molecules)]), **fields
    )


@pytest.fixture
def publish(embedded_broker):
    """Publish events, and return when the broker has them."""

    def publish(*events: bytes) -> None:
        with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=0) as bus:
            bus.publish_many(events)

    return publish


@pytest.fixture
def produce(embedded_broker):
    """Write any bytes to partition 0, as a stranger might."""

    def produce(*values: bytes | None) -> None:
        producer = Producer(
            {"bootstrap.servers": embedded_broker.bootstrap_servers},
            logger=logging.getLogger("test"),
        )
        for value in values:
            producer.produce(TOPIC, value, "acme", partition=0)
        assert producer.flush(PATIENCE) == 0

    return produce


@pytest.fixture
def consumer(embedded_broker):
    """Make consumers of a group that forms quickly; they are closed at the end."""
    made = []

    def make(group_id: str = "engine", **options: object) -> EventConsumer:
        options.setdefault("group_protocol", "consumer")
        made.append(EventConsumer(embedded_broker.bootstrap_servers, TOPIC, group_id, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def gather(consumer: EventConsumer, count: int, **options) -> list[EventBatch]:
    """Return batches with `count` events in all, leaving out the empty ones."""
    batches, deadline = [], time.monotonic() + PATIENCE
    for batch in consumer.batches(**options):
        if len(batch):
            batches.append(batch)
        if sum(map(len, batches)) >= count or time.monotonic() > deadline:
            break
    assert sum(map(len, batches)) == count
    return batches


def values(batches: list[EventBatch]) -> list[bytes]:
    return [message.value() for batch in batches for message in batch.messages]


# ---- Batches


def test_every_tenants_events_arrive_in_order(publish, consumer):
    published = [event(f"tenant-{n % 8}", n) for n in range(4_000)]
    publish(*published)
    received = values(gather(consumer(), 4_000))
    for n in range(8):
        mine = published[n::8]
        wanted = set(mine)
        assert [each for each in received if each in wanted] == mine


def test_a_batch_does_not_wait_for_more(publish, consumer):
    publish(event())
    batches = consumer().batches(max_events=1_000, max_wait=PATIENCE)
    start = time.monotonic()
    assert len(next(batches)) == 1
    # Waiting for a full batch, or for the whole of max_wait, would take all of it.
    assert time.monotonic() - start < PATIENCE / 2


def test_a_batch_has_at_most_max_events(publish, consumer):
    publish(*(event(number=n) for n in range(50)))
    batches = gather(consumer(), 50, max_events=7)
    assert max(map(len, batches)) == 7


def test_a_batch_may_be_of_one_event(publish, consumer):
    publish(event(), event())
    assert [len(batch) for batch in gather(consumer(), 2, max_events=1)] == [1, 1]


def test_an_idle_topic_yields_empty_batches(consumer):
    batch = next(consumer().batches(max_wait=0))
    assert len(batch) == 0
    assert not batch.messages
    assert list(batch.events()) == []
    hashes = batch.coordinate_hashes()
    assert (hashes.shape, hashes.dtype) == ((0, 2), np.uint64)
    batch.commit()


def test_coordinate_hashes_of_one_molecule_each(publish, consumer):
    publish(*(event(number=n) for n in range(20)))
    hashes = [batch.coordinate_hashes() for batch in gather(consumer(), 20)]
    joined = np.concatenate(hashes)
    assert joined.dtype == np.uint64
    assert joined.tolist() == [[n, 0] for n in range(20)]


def test_coordinate_hashes_of_all_molecules(publish, consumer):
    publish(event(number=1, molecules=3), event(number=2, molecules=0), event(number=3))
    hashes = [batch.coordinate_hashes() for batch in gather(consumer(), 3)]
    assert np.concatenate(hashes).tolist() == [[1, 0], [1, 1], [1, 2], [3, 0]]


def test_coordinate_hashes_of_events_without_molecules(publish, consumer):
    publish(encode("acme", type=EventType.HEARTBEAT))
    [batch] = gather(consumer(), 1)
    assert batch.coordinate_hashes().shape == (0, 2)


def test_events_are_decoded(publish, consumer):
    publish(event("acme"), event("acme", molecules=4))
    batches = gather(consumer(), 2)
    decoded = list(itertools.chain.from_iterable(batch.events() for batch in batches))
    assert [each.tenant_id for each in decoded] == ["acme", "acme"]
    assert [len(each.molecules) for each in decoded] == [1, 4]


# ---- Commits


def test_a_new_consumer_resumes_after_the_commit(publish, consumer):
    first, second = [event(number=n) for n in range(10)], [event(number=n) for n in range(5)]
    publish(*first)
    before = consumer()
    gather(before, 10)[-1].commit()
    before.close()
    publish(*second)
    assert values(gather(consumer(), 5)) == second


def test_without_a_commit_events_come_again(publish, consumer):
    published = [event(number=n) for n in range(10)]
    publish(*published)
    before = consumer()
    gather(before, 10)
    before.close()
    assert values(gather(consumer(), 10)) == published


def test_a_commit_covers_its_batch_and_no_more(publish, consumer):
    published = [event(number=n) for n in range(10)]
    publish(*published)
    before = consumer()
    batches = gather(before, 10, max_events=4)
    count = len(batches[0])
    batches[0].commit()
    before.close()
    assert values(gather(consumer(), 10 - count)) == published[count:]


def test_every_partition_is_committed(publish, consumer):
    publish(*(event(f"tenant-{n}") for n in range(40)))
    before = consumer()
    for batch in gather(before, 40):
        batch.commit()
    before.close()
    late = event("late")
    publish(late)
    assert values(gather(consumer(), 1)) == [late]


def test_groups_are_independent(publish, consumer):
    published = [event(number=n) for n in range(10)]
    publish(*published)
    gather(consumer("one"), 10)[-1].commit()
    assert values(gather(consumer("other"), 10)) == published


@pytest.mark.parametrize("partitions", [{999: 1}, {0: 1, 999: 1}])
def test_a_refused_commit_is_an_error(publish, consumer, partitions):
    publish(event())
    [batch] = gather(consumer(), 1)
    batch._offsets = partitions
    with pytest.raises(ConsumerError, match=r"group 'engine'.*will be delivered again"):
        batch.commit()


def test_a_commit_refused_for_one_partition_is_an_error(publish, consumer, monkeypatch):
    publish(event())
    reader = consumer()
    [batch] = gather(reader, 1)
    answer = [SimpleNamespace(error=None), SimpleNamespace(error=KafkaError(KafkaError.UNKNOWN))]
    with monkeypatch.context() as patched:
        patched.setattr(reader, "_consumer", SimpleNamespace(commit=lambda **_: answer))
        with pytest.raises(ConsumerError):
            batch.commit()


def test_the_classic_protocol_works_too(publish, consumer):
    publish(event())
    gather(consumer(group_protocol="classic"), 1)[-1].commit()


def test_a_new_group_can_begin_at_the_end(publish, consumer):
    old, new = event(number=1), event(number=2)
    publish(old)
    received: list[bytes] = []
    # Nothing tells when the group has formed and found the end: so publish until it is seen.
    for batch in consumer(auto_offset_reset="latest").batches(max_wait=0.2):
        received += values([batch])
        if received:
            break
        publish(new)
    assert set(received) == {new}


# ---- Filters


def test_only_the_wanted_types(publish, consumer):
    wanted = [event(type=EventType.CALC_REQUEST), event(type=EventType.SCHEMA_CHANGE)]
    publish(event(), wanted[0], encode("acme", type=EventType.HEARTBEAT), wanted[1], event())
    types = [EventType.CALC_REQUEST, EventType.SCHEMA_CHANGE]
    assert values(gather(consumer(types=types), 2)) == wanted


def test_only_the_wanted_regions_and_mixed_ones(publish, consumer):
    wanted = [event(region="EMEA"), event()]
    publish(event(region="APAC"), wanted[0], wanted[1], event(region=""))
    assert values(gather(consumer(regions={"EMEA"}), 2)) == wanted


def test_type_and_region_must_both_pass(publish, consumer):
    wanted = event(type=EventType.CALC_REQUEST, region="EMEA")
    publish(event(region="EMEA"), event(type=EventType.CALC_REQUEST, region="APAC"), wanted)
    filtered = consumer(types=[EventType.CALC_REQUEST], regions=["EMEA"])
    assert values(gather(filtered, 1)) == [wanted]


def test_what_was_filtered_out_is_committed_with_the_rest(publish, consumer):
    wanted, late = event(region="EMEA"), event(region="EMEA", number=2)
    publish(event(region="APAC"), wanted, event(region="APAC"), event(region="APAC"))
    before = consumer(regions=["EMEA"])
    for batch in before.batches(max_wait=PATIENCE):
        batch.commit()
        if batch._offsets and max(batch._offsets.values()) == 4:
            break
    before.close()
    publish(late)
    assert values(gather(consumer(), 1)) == [late]


# ---- Messages that are no events


@pytest.mark.parametrize("bad", [b"", b"nonsense", event(molecules=9)[:100], None])
def test_a_bad_message_raises_after_what_came_before_it(produce, consumer, bad):
    good = [event(number=n) for n in range(3)]
    produce(*good, bad, event(number=4))
    reader = consumer()
    gather(reader, 3)[-1].commit()
    for _ in range(2):
        with pytest.raises(InvalidEventError) as caught:
            gather(reader, 1)
        assert "partition 0, offset 3; on_invalid='skip'" in caught.value.__notes__[0]
    reader.close()
    with pytest.raises(InvalidEventError):
        gather(consumer(), 1)


def test_a_bad_message_can_be_skipped(produce, consumer, caplog):
    good = [event(number=n) for n in range(4)]
    produce(good[0], b"nonsense", good[1], None, good[2], b"", good[3])
    before = consumer(on_invalid="skip")
    batches = gather(before, 4)
    assert values(batches) == good
    assert any("skipped a message" in line for line in caplog.messages)
    assert any("offset 1" in line for line in caplog.messages)
    batches[-1].commit()
    before.close()
    produce(good[0])
    assert values(gather(consumer(), 1)) == good[:1]


def test_a_bad_message_is_not_a_matter_of_the_filter_alone(produce, consumer):
    produce(b"nonsense")
    with pytest.raises(InvalidEventError):
        gather(consumer(types=[EventType.HEARTBEAT]), 1)


# ---- The life of a consumer


def test_close_ends_the_iteration_of_another_thread(publish, consumer):
    publish(event())
    reader = consumer()
    started, received = threading.Event(), []

    def run() -> None:
        for batch in reader.batches(max_wait=PATIENCE):
            received.extend(batch.messages)
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(PATIENCE)
    reader.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(received) == 1


def test_a_closed_consumer_refuses(publish, consumer):
    publish(event())
    reader = consumer()
    batches = reader.batches()
    [batch] = gather(reader, 1)
    reader.close()
    reader.close()
    assert list(batches) == []
    with pytest.raises(BusClosedError, match="open a new EventConsumer"):
        reader.batches()
    with pytest.raises(BusClosedError):
        batch.commit()
    assert "closed" in repr(reader)


def test_a_context_manager_closes(embedded_broker):
    with EventConsumer(embedded_broker.bootstrap_servers, TOPIC, "engine") as reader:
        assert "open" in repr(reader)
    with pytest.raises(BusClosedError):
        reader.batches()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"on_invalid": "drop"}, "on_invalid='drop': allowed are raise, skip, dead-letter"),
        ({"types": []}, "types is empty"),
        ({"regions": ()}, "regions is empty"),
        ({"regions": "EMEA"}, r"regions='EMEA': must be a collection"),
        ({"group_id": ""}, "group_id=''"),
        ({"brokers": " "}, "brokers=' '"),
        ({"grupo": 1}, "unknown setting grupo"),
    ],
)
def test_bad_arguments_are_named(wrong, message):
    arguments = {"brokers": "127.0.0.1:1", "topic": TOPIC, "group_id": "engine"} | wrong
    with pytest.raises(SettingsError, match=message):
        EventConsumer(**arguments)


@pytest.mark.parametrize(
    "wrong", [{"max_events": 0}, {"max_events": 1_000_001}, {"max_wait": -1}, {"max_wait": 1e9}]
)
def test_bad_bounds_are_named(consumer, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        consumer().batches(**wrong)


def test_an_absent_broker_is_logged_quietly(caplog, capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with EventConsumer(address, TOPIC, "engine") as reader:
            deadline = time.monotonic() + PATIENCE
            for batch in reader.batches():
                assert len(batch) == 0
                heard = any("Connection refused" in line for line in caplog.messages)
                if heard or time.monotonic() > deadline:
                    break
    assert heard
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


# ---- Asynchronously


def test_batches_can_be_awaited(publish, consumer):
    published = [event(number=n) for n in range(100)]
    publish(*published)

    async def read() -> list[bytes]:
        received: list[bytes] = []
        async for batch in consumer().batches():
            received += values([batch])
            batch.commit()
            if len(received) >= 100:
                break
        return received

    assert asyncio.run(asyncio.wait_for(read(), PATIENCE)) == published


def test_a_cancelled_wait_loses_no_events(embedded_broker, publish, consumer):
    published = [event(number=n) for n in range(10)]
    embedded_broker.create_topic(TOPIC)

    async def read() -> list[bytes]:
        batches = consumer().batches(max_wait=PATIENCE)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(batches), 0.05)
        await asyncio.to_thread(publish, *published)
        received: list[bytes] = []
        while len(received) < 10:
            received += values([await anext(batches)])
        return received

    assert asyncio.run(asyncio.wait_for(read(), PATIENCE)) == published


def test_close_ends_an_asynchronous_iteration(consumer):
    async def read() -> int:
        reader, count = consumer(), 0
        async for _ in reader.batches():
            count += 1
            if count == 3:
                await asyncio.to_thread(reader.close)
        return count

    assert asyncio.run(asyncio.wait_for(read(), PATIENCE)) == 3
