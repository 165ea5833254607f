"""A producer that fails for good is replaced, and what it had not delivered goes first."""

import threading
import time

import pytest
from confluent_kafka import KafkaError

from atomwire import Molecules, encode
from atomwire.bus import BusStats, DeliveryError, EventBus
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, nobody, read


@pytest.fixture(params=["memory", "spool", "durable"])
def options(request, tmp_path):
    if request.param == "memory":
        return {}
    return {"spool_dir": tmp_path, "durable": request.param == "durable"}


def fail(bus: EventBus) -> None:
    """Have librdkafka fail, as it does when a broker has lost the sequence of events."""
    bus._recovery._session.provoke_fatal_error(
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "sequence lost"
    )


def test_undelivered_events_go_out_first_and_in_order(embedded_broker, options):
    published = {tenant: [event(tenant, n) for n in range(300)] for tenant in ("a", "b")}
    turns = [each for pair in zip(*published.values(), strict=True) for each in pair]
    # Nothing has left when the producer fails: everything must be moved.
    bus = EventBus(
        embedded_broker.bootstrap_servers, TOPIC, linger_ms=60_000, batch_size=10_000, **options
    )
    first = bus._recovery._session
    for each in turns[:300]:
        bus.publish(each)
    fail(bus)
    for each in turns[300:]:
        bus.publish(each)
    assert eventually(lambda: bus._recovery._session not in (None, first))
    assert bus.flush(PATIENCE) == 0
    assert bus.stats() == BusStats(accepted=600, delivered=600, failed=0, queued=0)
    assert eventually(bus.healthy)
    bus.close()
    assert by_tenant(read(embedded_broker, 600)) == published


def test_an_event_that_a_failed_producer_refuses_waits_for_the_next(embedded_broker, monkeypatch):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC)
    assert eventually(bus.healthy)
    published = [event(number=n) for n in range(3)]
    # Nobody hears of the failure but who publishes.
    heard = threading.Event()
    step = bus._recovery.step
    monkeypatch.setattr(bus._recovery, "step", lambda: heard.wait() and step())
    fail(bus)
    for each in published:
        bus.publish(each)
    assert eventually(lambda: not bus.healthy())
    heard.set()
    assert bus.flush(PATIENCE) == 0
    bus.close()
    assert by_tenant(read(embedded_broker, 3)) == {"acme": published}


# A topic that is not there is not made, either.
NO_TOPIC = {"allow.auto.create.topics": False, "topic.metadata.propagation.max.ms": 0}


def test_events_wait_for_a_topic(embedded_broker, options):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, librdkafka=NO_TOPIC, **options)
    published = [event(number=n) for n in range(3)]
    for each in published:
        bus.publish(each)
    assert bus.flush(1.0) == 3
    assert "Unknown topic" in str(bus._recovery.reason)
    for each in published:
        bus.publish(each)
    for _ in range(100):
        assert not bus.healthy()
    embedded_broker.create_topic(TOPIC)
    assert bus.flush(PATIENCE) == 0
    assert bus.stats() == BusStats(accepted=6, delivered=6, failed=0, queued=0)
    assert eventually(bus.healthy)
    bus.close()
    assert by_tenant(read(embedded_broker, 6)) == {"acme": published * 2}


def test_a_topic_that_never_comes_is_told(embedded_broker):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, librdkafka=NO_TOPIC)
    bus.publish_many([event(), event()])
    assert eventually(lambda: bus._recovery.reason)
    with pytest.raises(DeliveryError, match=r"2 of 2 .*Unknown topic"):
        bus.close(timeout=0)


def test_an_event_on_the_disk_that_is_larger_than_allowed_by_now_is_the_brokers_to_judge(
    embedded_broker, tmp_path
):
    large = encode("acme", Molecules(list(range(30)), 1.0))
    published = [event(number=1), large, event(number=2), large]
    with nobody() as address:
        bus = EventBus(address, TOPIC, durable=True, spool_dir=tmp_path)
        bus.publish_many(published)
        bus.close(timeout=0)
    bus = EventBus(
        embedded_broker.bootstrap_servers, TOPIC, spool_dir=tmp_path, max_event_bytes=1_000
    )
    assert bus.flush(PATIENCE) == 0
    assert bus.stats() == BusStats(accepted=4, delivered=4, failed=0, queued=0)
    bus.close()
    assert by_tenant(read(embedded_broker, 4)) == {"acme": published}
    assert list(tmp_path.iterdir()) == []


def test_a_future_survives_the_change(embedded_broker, options):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=60_000, **options)
    future = bus.submit(event())
    fail(bus)
    assert bus.flush(PATIENCE) == 0
    assert future.result(PATIENCE).offset == 0
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


# Of nobody; its key was thrown away.
AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUWRvPGRWx4hTsvxFyRDJJyUpTuacwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjUwNDE0MDdaGA8yMTI2MTEwMTA0MTQwN1ow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMf1AeGN2TBz
nXXPUoYkK1tAAMubkWtsNC85jkwccTA7EiPtIZmGRRL1sfDhAFYLmcBLHvnO1HYD
LxtDAly02M2jUzBRMB0GA1UdDgQWBBS76JkpJX3ByVkkR4VtaT9bE8FG9jAfBgNV
HSMEGDAWgBS76JkpJX3ByVkkR4VtaT9bE8FG9jAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQDWfUcFMXmYJgUKxM0kNH+gkI102aRe/GkmQiyWkpBl
FAIgcUe79uyvdQpAZOlbjfl5Xb0A5zTs20e696WXAJmgrH0=
-----END CERTIFICATE-----
"""


def test_a_new_producer_that_cannot_be_made_is_tried_again_at_growing_intervals(tmp_path, caplog):
    authority = tmp_path / "authority.pem"
    authority.write_text(AUTHORITY)
    with nobody() as address:
        bus = EventBus(
            address,
            TOPIC,
            security_protocol="ssl",
            tls_ca_location=str(authority),
            spool_dir=tmp_path / "spool",
        )
        attempts = []
        make = bus._recovery._make

        def counted(topic_limit):
            attempts.append(time.monotonic())
            return make(topic_limit)

        bus._recovery._make = counted
        first = bus._recovery._session
        bus.publish(event())
        authority.unlink()
        fail(bus)
        assert eventually(lambda: attempts)
        until = time.monotonic() + 2.0
        while time.monotonic() < until:  # who publishes meanwhile does not make it try more often
            bus.publish(event())
            time.sleep(0.001)
        assert 2 <= len(attempts) <= 5
        assert bus._recovery._session is None
        assert bus.stats().failed == 0
        assert "tls_ca_location" in str(bus._recovery.reason)
        assert sum("no new producer" in line for line in caplog.messages) == 1
        authority.write_text(AUTHORITY)
        assert eventually(lambda: bus._recovery._session not in (None, first))
        bus.close(timeout=0)
