"""Publishing: what reaches the broker, in which order, and what happens when nothing does."""

import itertools
import logging
import struct
import threading
import time
from types import MappingProxyType

import pytest
from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
)

from atomwire import EventType, InvalidEventError, Molecules, encode
from atomwire.bus import (
    BusClosedError,
    BusError,
    BusFullError,
    BusSettings,
    BusStats,
    DeliveryError,
    EventBus,
    EventTooLargeError,
    SettingsError,
)
from atomwire.bus.log import RateLimitedLog
from atomwire.testing import EmbeddedBroker
from tests.support import bus as support
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, read

# A table without fields, hence without a tenant.
NO_TENANT = struct.pack("<IHHi", 8, 4, 4, 4)
EDGE_KEYS = ["3wujz9a", "gq3p75b"]


def fnv1a_partition(key: str, partitions: int) -> int:
    """The contract's partitioner, written down independently of librdkafka."""
    value = 0x811C9DC5
    for byte in key.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    signed = value - 2**32 if value >= 2**31 else value
    return abs(signed) % partitions


@pytest.fixture
def bus(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        yield bus


@pytest.fixture
def nobody():
    with support.nobody() as address:
        yield address


# ---- What arrives


def test_every_tenants_events_arrive_in_order(bus, embedded_broker):
    tenants = [f"tenant-{n}" for n in range(10)]
    published = {tenant: [event(tenant, n) for n in range(400)] for tenant in tenants}
    for n in range(400):
        for tenant in tenants:
            bus.publish(published[tenant][n])
    assert bus.flush(PATIENCE) == 0
    assert by_tenant(read(embedded_broker, 4_000)) == published


def test_publish_many_keeps_the_order(bus, embedded_broker):
    published = {tenant: [event(tenant, n) for n in range(1_500)] for tenant in ("a", "b")}
    bus.publish_many(each for pair in zip(*published.values(), strict=True) for each in pair)
    bus.publish_many([])
    bus.flush(PATIENCE)
    assert by_tenant(read(embedded_broker, 3_000)) == published


def test_threads_share_a_bus(bus, embedded_broker):
    published = {f"tenant-{n}": [event(f"tenant-{n}", i) for i in range(500)] for n in range(6)}
    threads = [
        threading.Thread(target=lambda events=events: [bus.publish(each) for each in events])
        for events in published.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bus.flush(PATIENCE)
    assert bus.stats() == BusStats(accepted=3_000, delivered=3_000, failed=0, queued=0)
    assert by_tenant(read(embedded_broker, 3_000)) == published


def test_the_partition_is_the_contracts(bus, embedded_broker):
    tenants = [*EDGE_KEYS, "ä", "租户", "🙂", " ", "a\x00b", *(f"tenant-{n}" for n in range(300))]
    bus.publish_many(event(tenant) for tenant in tenants)
    bus.flush(PATIENCE)
    partitions = {m.key().decode(): m.partition() for m in read(embedded_broker, len(tenants))}
    assert partitions == {
        tenant: fnv1a_partition(tenant, EmbeddedBroker.PARTITIONS) for tenant in tenants
    }
    assert set(partitions.values()) == set(range(EmbeddedBroker.PARTITIONS))


@pytest.mark.parametrize("key", EDGE_KEYS)
def test_an_edge_keys_hash_is_the_most_negative_number(key):
    value = 0x811C9DC5
    for byte in key.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    assert value == 0x80000000


def test_a_message_carries_the_event_and_nothing_else(bus, embedded_broker):
    published = event("mieter-ä", timestamp=1_700_000_000_123_999_999)
    bus.publish(published)
    bus.flush(PATIENCE)
    [message] = read(embedded_broker, 1)
    assert message.value() == published
    assert message.key() == "mieter-ä".encode()
    assert message.timestamp() == (TIMESTAMP_CREATE_TIME, 1_700_000_000_123)
    assert message.headers() is None


@pytest.mark.parametrize("timestamp", [-1, -(10**18)])
def test_an_event_before_1970_gets_the_time_of_publishing(bus, embedded_broker, timestamp):
    before = time.time_ns() // 1_000_000
    bus.publish(event(timestamp=timestamp))
    bus.flush(PATIENCE)
    [message] = read(embedded_broker, 1)
    assert message.timestamp()[1] >= before


def test_headers_carry_type_and_trace(embedded_broker):
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, headers=True) as bus:
        bus.publish(event(type=EventType.CALC_REQUEST, trace_id=trace_id))
        bus.flush(PATIENCE)
    [message] = read(embedded_broker, 1)
    assert message.headers() == [("type", b"2"), ("trace_id", trace_id.encode())]


def test_without_a_trace_there_is_no_trace_header(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, headers=True) as bus:
        bus.publish_many([event(type=EventType.HEARTBEAT)])
    [message] = read(embedded_broker, 1)
    assert message.headers() == [("type", b"4")]


def test_own_headers_need_no_setting(bus, embedded_broker):
    bus.publish(event(), headers=MappingProxyType({"source": "excel"}))
    bus.flush(PATIENCE)
    [message] = read(embedded_broker, 1)
    assert message.headers() == [("source", b"excel")]


def test_own_headers_come_along(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, headers=True) as bus:
        bus.publish(event(), headers={"source": "excel", "raw": b"\x00"})
    [message] = read(embedded_broker, 1)
    assert message.headers() == [("type", b"1"), ("source", b"excel"), ("raw", b"\x00")]


@pytest.mark.parametrize(
    "settings",
    [
        *(BusSettings(acks=each) for each in ("all", "1", "0")),
        *(BusSettings(compression=each) for each in ("lz4", "snappy", "zstd", "gzip", "none")),
        *(BusSettings(profile=each) for each in ("batched", "interactive", "throughput")),
    ],
    ids=lambda each: f"{each.acks}-{each.compression}-{each.profile}",
)
def test_settings_deliver_in_order(embedded_broker, settings):
    published = [event(number=n) for n in range(200)]
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, settings=settings) as bus:
        bus.publish_many(published)
    assert by_tenant(read(embedded_broker, 200)) == {"acme": published}


# ---- What is refused


@pytest.mark.parametrize("bad", [b"", b"\x00", b"nonsense", event()[:20]])
def test_bytes_that_are_no_event_are_refused(bus, bad):
    with pytest.raises(InvalidEventError):
        bus.publish(bad)
    with pytest.raises(InvalidEventError):
        bus.publish_many([event(), bad])
    assert bus.stats().accepted == 0


@pytest.mark.parametrize("bad", ["text", bytearray(event()), None, 3])
def test_what_is_not_bytes_is_refused(bus, bad):
    with pytest.raises(TypeError, match="event: must be bytes"):
        bus.publish(bad)
    assert bus.stats().accepted == 0


def test_an_event_without_tenant_is_refused(bus):
    with pytest.raises(InvalidEventError, match="tenant_id"):
        bus.publish(NO_TENANT)
    with pytest.raises(InvalidEventError, match="tenant_id"):
        bus.publish(NO_TENANT, tenant_id="acme")
    assert bus.stats().accepted == 0


def test_an_empty_tenant_is_refused(bus):
    with pytest.raises(ValueError, match="tenant_id=''"):
        bus.publish(event(), tenant_id="")
    with pytest.raises(ValueError, match="tenant_id=''"):
        bus.publish_many([event()], tenant_id="")
    assert bus.stats().accepted == 0


def test_a_tenant_that_is_not_the_events_is_refused(bus, embedded_broker):
    with pytest.raises(ValueError, match="tenant_id='other': the event's own is 'acme'"):
        bus.publish_many([event(), event("other")], tenant_id="other")
    assert bus.stats().accepted == 0
    bus.publish(event(), tenant_id="acme")
    bus.flush(PATIENCE)
    assert read(embedded_broker, 1)[0].key() == b"acme"


def test_an_event_larger_than_a_message_is_refused(embedded_broker):
    large = encode("acme", Molecules(list(range(100))))
    small = event()
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, max_event_bytes=1_000) as bus:
        with pytest.raises(EventTooLargeError, match="max_event_bytes=1,000") as caught:
            bus.publish(large)
        assert isinstance(caught.value, ValueError)
        with pytest.raises(EventTooLargeError) as caught:
            bus.publish_many([small, small, large, small])
        assert caught.value.accepted == 2
    assert bus.stats() == BusStats(accepted=2, delivered=2, failed=0, queued=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"brokers": ""},
        {"brokers": None},
        {"lingr_ms": 1},
        {"topic": ""},
        {"topic": "x" * 600},
        {"topic": "cells\0"},
    ],
)
def test_bad_arguments_are_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        EventBus(**wrong)


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
def test_a_timeout_must_be_finite(bus, timeout):
    with pytest.raises(ValueError, match="timeout="):
        bus.flush(timeout)
    with pytest.raises(ValueError, match="timeout="):
        bus.close(timeout)


# ---- The life of a bus


def test_close_delivers_what_is_queued(embedded_broker):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=1_000, batch_size=10_000)
    bus.publish_many(event(number=n) for n in range(100))
    bus.close(PATIENCE)
    assert bus.stats() == BusStats(accepted=100, delivered=100, failed=0, queued=0)
    read(embedded_broker, 100)


def test_a_closed_bus_refuses_and_remembers(embedded_broker):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC)
    bus.publish(event())
    bus.close()
    bus.close()
    for use in (lambda: bus.publish(event()), lambda: bus.publish_many([event()]), bus.flush):
        with pytest.raises(BusClosedError, match="open a new EventBus"):
            use()
    assert not bus.healthy()
    assert bus.stats().delivered == 1
    assert "closed" in repr(bus)


def test_close_while_others_publish_loses_nothing(embedded_broker):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC)
    published: dict[str, list[bytes]] = {f"tenant-{n}": [] for n in range(4)}

    def publish_until_closed(tenant: str) -> None:
        while True:
            each = event(tenant, len(published[tenant]))
            try:
                bus.publish(each)
            except BusClosedError:
                return
            published[tenant].append(each)

    threads = [threading.Thread(target=publish_until_closed, args=(each,)) for each in published]
    for thread in threads:
        thread.start()
    assert eventually(lambda: bus.stats().accepted > 200)
    bus.close(PATIENCE)
    for thread in threads:
        thread.join()
    count = sum(map(len, published.values()))
    assert bus.stats() == BusStats(accepted=count, delivered=count, failed=0, queued=0)
    arrived = by_tenant(read(embedded_broker, count))
    assert arrived == {tenant: events for tenant, events in published.items() if events}


def test_the_counts_always_add_up(bus):
    seen = []
    for n in range(3_000):
        bus.publish(event(number=n))
        seen.append(bus.stats())
    bus.flush(PATIENCE)
    seen.append(bus.stats())
    assert all(each.accepted == each.delivered + each.failed + each.queued for each in seen)
    assert [each.accepted for each in seen] == [*range(1, 3_001), 3_000]
    assert all(a.delivered <= b.delivered for a, b in itertools.pairwise(seen))
    assert seen[-1] == BusStats(accepted=3_000, delivered=3_000, failed=0, queued=0)


def test_a_connected_bus_becomes_healthy(bus):
    assert eventually(bus.healthy)


def test_a_context_manager_closes(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        bus.publish(event())
    assert bus.stats().delivered == 1
    with pytest.raises(BusClosedError):
        bus.publish(event())


def test_nothing_is_printed(embedded_broker, nobody, capfd):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        bus.publish(event())
    with pytest.raises(DeliveryError):
        publish_in_vain(nobody)
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


# ---- Nobody answers


def publish_in_vain(nobody: str) -> None:
    bus = EventBus(nobody, TOPIC)
    bus.publish(event())
    bus.close(timeout=0.3)


def test_close_says_what_was_not_delivered(nobody):
    bus = EventBus(nobody, TOPIC)
    bus.publish_many([event("a"), event("b"), event("b")])
    assert bus.flush(timeout=0.3) == 3
    assert not bus.healthy()
    assert bus.stats() == BusStats(accepted=3, delivered=0, failed=0, queued=3)
    with pytest.raises(DeliveryError) as caught:
        bus.close(timeout=0)
    assert caught.value.undelivered == 3
    assert caught.value.by_tenant == {"b": 2, "a": 1}
    assert "3 of 3 events were not delivered to topic 'cells'" in str(caught.value)
    assert nobody in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert bus.stats() == BusStats(accepted=3, delivered=0, failed=3, queued=0)
    bus.close()


def test_leaving_the_context_says_so_too(nobody, monkeypatch):
    monkeypatch.setattr(EventBus.close, "__defaults__", (0.3,))
    with pytest.raises(DeliveryError), EventBus(nobody, TOPIC) as bus:
        bus.publish(event())


def test_an_error_in_the_context_is_not_hidden(nobody, monkeypatch):
    monkeypatch.setattr(EventBus.close, "__defaults__", (0.3,))
    bus = EventBus(nobody, TOPIC)
    bus.publish(event())
    with pytest.raises(KeyError) as caught, bus:
        raise KeyError("mine")
    assert "1 of 1 events were not delivered" in caught.value.__notes__[0]


def test_a_full_queue_refuses_at_once(nobody):
    bus = EventBus(nobody, TOPIC, queue_size=10)
    bus.publish_many(event(number=n) for n in range(8))
    with pytest.raises(BusFullError, match="queue_size=10") as caught:
        bus.publish_many(event(number=n) for n in range(5))
    assert caught.value.accepted == 2
    with pytest.raises(BusFullError) as caught:
        bus.publish(event())
    assert caught.value.accepted == 0
    assert bus.stats() == BusStats(accepted=10, delivered=0, failed=0, queued=10)
    with pytest.raises(DeliveryError):
        bus.close(timeout=0)


def test_a_failure_shows_in_the_stats_and_the_log(nobody, caplog):
    bus = EventBus(nobody, TOPIC, librdkafka={"message.timeout.ms": 100})
    bus.publish_many([event(), event()])
    assert eventually(lambda: bus.stats().failed == 2)
    assert bus.stats() == BusStats(accepted=2, delivered=0, failed=2, queued=0)
    assert bus.flush(timeout=0) == 0
    with pytest.raises(DeliveryError):
        bus.close(timeout=0)
    told = "an event was not delivered: Local: Message timed out (tenant 'acme')"
    assert caplog.messages.count(told) == 1


def test_an_absent_broker_is_logged_and_not_again_and_again(nobody, caplog):
    bus = EventBus(nobody, TOPIC, librdkafka={"reconnect.backoff.ms": 10})
    assert eventually(lambda: any("Connection refused" in line for line in caplog.messages))
    time.sleep(0.5)
    bus.close()
    assert {record.name for record in caplog.records} == {"atomwire"}
    assert len(caplog.messages) <= 6


def test_bus_errors_have_one_base():
    for error in (BusClosedError, BusFullError, DeliveryError, EventTooLargeError, SettingsError):
        assert issubclass(error, BusError)


# ---- Repeating oneself rarely


@pytest.fixture
def clock():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def log(clock, caplog):
    caplog.set_level(logging.DEBUG)
    return RateLimitedLog(logging.getLogger("test"), interval=30, clock=clock)


def test_a_kind_of_line_is_logged_once_an_interval(log, clock, caplog):
    for _ in range(20):
        log.log(logging.ERROR, "%s [%s] %s", "FAIL", "client", "refused")
    log.log(logging.ERROR, "%s [%s] %s", "OTHER", "client", "heard")
    clock.now = 30.0
    log.log(logging.ERROR, "%s [%s] %s", "FAIL", "client", "refused")
    assert caplog.messages == [
        "FAIL [client] refused",
        "OTHER [client] heard",
        "FAIL [client] refused (and 19 similar lines before)",
    ]


def test_debugging_is_not_held_back(log, caplog):
    for _ in range(3):
        log.log(logging.DEBUG, "%s", "detail")
    assert caplog.messages == ["detail"] * 3


def test_two_errors_that_say_the_same_are_of_one_kind(log, caplog):
    for _ in range(3):
        log.log(logging.ERROR, "again: %s", OSError("no room"))
    assert caplog.messages == ["again: no room"]


def test_the_first_event_of_a_partition_does_not_linger_while_the_next_waits_for_it(
    embedded_broker,
):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=600_000) as bus:
        assert eventually(bus.healthy)
        first = bus.submit(event(number=1))
        bus.publish(event(number=2))
        assert first.result(PATIENCE).offset == 0


def test_no_thread_for_a_producer_is_no_matter_of_settings(embedded_broker, monkeypatch):
    def refuse(*_: object) -> None:
        raise RuntimeError("the system has no thread to give")

    monkeypatch.setattr("atomwire.bus.properties.ProducerSession", refuse)
    with pytest.raises(BusError, match="no thread to give") as caught:
        EventBus(embedded_broker.bootstrap_servers, TOPIC)
    assert not isinstance(caught.value, SettingsError)
