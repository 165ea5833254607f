"""Futures: resolved by the acknowledgement, and by nothing else."""

import asyncio
import signal

import pytest
from confluent_kafka import KafkaError

from atomwire import InvalidEventError
from atomwire.bus import BusClosedError, BusFullError, DeliveryError, EventBus
from atomwire.bus.position import Position
from tests.support.bus import PATIENCE, TOPIC, event, eventually, nobody, read
from tests.support.raising import Raised, interrupted_at_every_line


@pytest.fixture
def away():
    with nobody() as address:
        yield address


def test_a_future_is_done_when_the_broker_has_the_event(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        futures = [bus.submit(event(number=n)) for n in range(100)]
        places = [each.result(PATIENCE) for each in futures]
        assert places == [Position(places[0].partition, n) for n in range(100)]
        assert bus.stats().delivered == 100
    read(embedded_broker, 100)


@pytest.mark.parametrize("mode", ["plain", "spool", "durable"])
def test_a_position_is_where_the_event_is(embedded_broker, tmp_path, mode):
    settings = {} if mode == "plain" else {"spool_dir": tmp_path, "durable": mode == "durable"}
    settings |= {"queue_size": 1_000 if mode == "plain" else 5}
    published = [event(f"tenant-{n % 7}", n) for n in range(200)]
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings) as bus:
        futures = [bus.submit(each) for each in published]
        places = [each.result(PATIENCE) for each in futures]
    assert len({each.partition for each in places}) > 1
    found = {(m.partition(), m.offset()): m.value() for m in read(embedded_broker, 200)}
    assert [found[each.partition, each.offset] for each in places] == published


def test_a_future_is_not_done_before(away):
    bus = EventBus(away, TOPIC)
    future = bus.submit(event())
    assert bus.flush(timeout=0.2) == 1
    assert not future.done()
    assert not future.cancel()
    with pytest.raises(DeliveryError):
        bus.close(timeout=0)
    error = future.exception(PATIENCE)
    assert isinstance(error, DeliveryError)
    assert error.by_tenant == {"acme": 1}


def test_a_failure_reaches_its_future(away):
    bus = EventBus(away, TOPIC, librdkafka={"message.timeout.ms": 50})
    future = bus.submit(event())
    with pytest.raises(DeliveryError) as caught:
        future.result(PATIENCE)
    assert str(caught.value) == (
        "an event of tenant 'acme' was not delivered: Local: Message timed out"
    )
    with pytest.raises(DeliveryError):
        bus.close(timeout=0)


def test_a_future_outlives_the_spool(away, embedded_broker, tmp_path):
    """An event that waited on the disk resolves its future too."""
    address = embedded_broker.bootstrap_servers
    with EventBus(address, TOPIC, queue_size=3, linger_ms=0, spool_dir=tmp_path) as bus:
        futures = [bus.submit(event(number=n)) for n in range(200)]
        assert [each.result(PATIENCE).offset for each in futures] == list(range(200))


def test_a_position_survives_the_disk_and_a_failed_producer(embedded_broker, tmp_path):
    settings = {"queue_size": 3, "linger_ms": 0, "spool_dir": tmp_path}
    published = [event(number=n) for n in range(300)]
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings) as bus:
        futures = []
        for number, each in enumerate(published):
            futures.append(bus.submit(each))
            session = bus._recovery._session
            if number % 100 == 50 and session is not None:
                session.provoke_fatal_error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "lost")
        places = [each.result(PATIENCE) for each in futures]
    assert [each.offset for each in places] == list(range(300))
    assert [message.value() for message in read(embedded_broker, 300)] == published


def test_a_bus_that_closes_says_where_the_event_is(away, tmp_path):
    bus = EventBus(away, TOPIC, queue_size=1, spool_dir=tmp_path)
    futures = [bus.submit(event(number=n)) for n in range(3)]
    bus.close(timeout=0)
    for each in futures:
        with pytest.raises(DeliveryError, match="waits in the spool"):
            each.result(PATIENCE)


def test_submit_refuses_as_publish_does(away):
    bus = EventBus(away, TOPIC, queue_size=1)
    with pytest.raises(InvalidEventError):
        bus.submit(b"nonsense")
    with pytest.raises(ValueError, match="the event's own"):
        bus.submit(event(), tenant_id="other")
    bus.submit(event())
    with pytest.raises(BusFullError):
        bus.submit(event())
    with pytest.raises(DeliveryError):
        bus.close(timeout=0)
    with pytest.raises(BusClosedError):
        bus.submit(event())


def test_a_future_can_be_awaited(embedded_broker):
    async def publish(bus: EventBus) -> None:
        await asyncio.gather(*(asyncio.wrap_future(bus.submit(event())) for _ in range(10)))

    with EventBus(embedded_broker.bootstrap_servers, TOPIC, headers=True) as bus:
        asyncio.run(asyncio.wait_for(publish(bus), PATIENCE))
    assert len(read(embedded_broker, 10)) == 10


def test_a_callback_may_publish(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        second = []
        future = bus.submit(event(number=1))
        future.add_done_callback(lambda _: second.append(bus.submit(event(number=2))))
        future.result(PATIENCE)
        assert bus.flush(PATIENCE) == 0
        assert second[0].result(PATIENCE).offset == 1


# ---- Interrupted between the event's acceptance and the return.


@pytest.mark.parametrize("mode", ["plain", "spool", "durable"])
def test_nothing_is_kept_for_who_was_interrupted(embedded_broker, tmp_path, mode):
    settings = {} if mode == "plain" else {"spool_dir": tmp_path, "durable": mode == "durable"}
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings) as bus:
        for call in (bus.submit, bus.publish, lambda each: bus.publish_many([each, each])):
            interrupted_at_every_line(lambda call=call: call(event()))
            assert bus.flush(PATIENCE) == 0
        assert eventually(lambda: not bus._delivery._outcomes and not bus._delivery._futures)
        assert bus._queue.awaiting == 0
        stats = bus.stats()
        assert stats.accepted == stats.delivered > 0


def test_nothing_is_kept_for_who_was_interrupted_at_a_busy_disk(embedded_broker, tmp_path):
    def cut_off(*_):
        raise Raised

    settings = {"spool_dir": tmp_path, "durable": True}
    before = signal.signal(signal.SIGALRM, cut_off)
    try:
        with EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings) as bus:
            for call in (bus.submit, bus.publish, lambda each: bus.publish_many([each, each])):
                with bus._outbox._at_disk:
                    signal.setitimer(signal.ITIMER_REAL, 0.2)
                    with pytest.raises(Raised):
                        call(event())
            assert bus.flush(PATIENCE) == 0
            assert not bus._delivery._futures
            assert bus._queue.awaiting == 0
            assert bus.stats().accepted == 0
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_flush_that_was_interrupted_is_over(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        interrupted_at_every_line(lambda: bus.flush(PATIENCE))
        assert bus._queue.flushing == 0
