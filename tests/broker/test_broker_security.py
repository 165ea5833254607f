"""SASL_SSL with SCRAM: the right password works, a wrong one is an error that does not tell it."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

import atomwire
from atomwire.bus import BusSettings, DeliveryError, EventBus, EventConsumer
from tests.broker import certificates
from tests.broker.certificates import Certificates
from tests.broker.cluster import Cluster, Security
from tests.broker.conftest import NewTopicOf, or_skip
from tests.broker.record import check, read_topic

USER = "planner"
PASSWORD = "right-h0rse-battery"
WRONG_PASSWORD = "wrong-h0rse-battery"


@pytest.fixture(scope="module")
def certificate_files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return or_skip(lambda: certificates.make(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="module")
def secure_kafka(
    require_kafka: None,
    certificate_files: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    security = Security(certificate_files.keystore, certificates.STORE_PASSWORD, {USER: PASSWORD})
    folder = tmp_path_factory.mktemp("kafka-secure")
    with Cluster(1, folder, security=security) as cluster:
        yield cluster


def _settings(files: Certificates, **changes: str) -> BusSettings:
    settings = {
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": USER,
        "sasl_password": PASSWORD,
        "tls_ca_location": str(files.authority),
    }
    return BusSettings(**(settings | changes))


def test_right_password(
    secure_kafka: Cluster, certificate_files: Certificates, new_topic: NewTopicOf
) -> None:
    topic = new_topic(secure_kafka.bootstrap_servers)
    settings = _settings(certificate_files)
    event = atomwire.Encoder("acme").cell(1, 2.0)
    with EventBus(secure_kafka.secure_servers, topic, settings=settings) as bus:
        bus.publish(event)
    with closing(
        EventConsumer(secure_kafka.secure_servers, topic, f"{topic}-group", settings=settings)
    ) as consumer:
        batch = next(batch for batch in consumer.batches(max_wait=0.1) if len(batch))
    assert [message.value() for message in batch.messages] == [event]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"sasl_password": WRONG_PASSWORD}, "(?i)authentication", id="wrong password"),
        pytest.param({"sasl_username": "nobody"}, "(?i)authentication", id="unknown user"),
        pytest.param({"tls_ca_location": "stranger"}, "(?i)certificate", id="wrong authority"),
    ],
)
def test_turned_away(
    secure_kafka: Cluster,
    certificate_files: Certificates,
    new_topic: NewTopicOf,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, str],
    reason: str,
) -> None:
    topic = new_topic(secure_kafka.bootstrap_servers)
    if "tls_ca_location" in change:
        change = {"tls_ca_location": str(certificate_files.stranger)}
    settings = _settings(certificate_files, **change)
    caplog.set_level(logging.DEBUG)
    bus = EventBus(secure_kafka.secure_servers, topic, settings=settings)
    bus.publish(atomwire.Encoder("acme").cell(1, 2.0))
    assert not bus.healthy()
    with pytest.raises(DeliveryError, match=reason) as error:
        bus.close(3)
    told = f"{error.value} {bus!r} {settings!r} {caplog.text}"
    assert caplog.text
    for secret in (PASSWORD, WRONG_PASSWORD):
        assert secret not in told


@pytest.mark.parametrize("spooling", [False, True])
def test_an_authority_that_is_away_while_the_producer_fails(
    secure_kafka: Cluster,
    certificate_files: Certificates,
    new_topic: NewTopicOf,
    tmp_path: Path,
    spooling: bool,
) -> None:
    topic = new_topic(secure_kafka.bootstrap_servers)
    authority = tmp_path / "authority.pem"
    shutil.copy(certificate_files.authority, authority)
    bus = EventBus(
        secure_kafka.secure_servers,
        topic,
        settings=_settings(certificate_files, tls_ca_location=str(authority)),
        spool_dir=tmp_path / "spool" if spooling else None,
    )
    encoder = atomwire.Encoder("acme")
    events = [encoder.cell(number, 1.0) for number in range(300)]
    for event in events[:100]:
        bus.publish(event)
    # A new producer cannot be made without it.
    authority.unlink()
    bus._recovery._session.provoke_fatal_error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "lost")
    for event in events[100:200]:
        bus.publish(event)
    deadline = time.monotonic() + 30.0
    while "tls_ca_location" not in str(bus._recovery.reason):
        assert time.monotonic() < deadline, bus._recovery.reason
        time.sleep(0.01)
    for event in events[200:]:
        bus.publish(event)
    assert not bus.healthy()
    assert bus.flush(0.2) >= 200
    shutil.copy(certificate_files.authority, authority)
    assert bus.flush(30.0) == 0
    assert bus.stats().delivered == len(events)
    bus.close()
    ids = [str(atomwire.peek_event_id(event)) for event in events]
    check({"acme": ids}, read_topic(secure_kafka.bootstrap_servers, topic))
