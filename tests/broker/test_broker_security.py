"""SASL_SSL with SCRAM: the right password works, a wrong one is an error that does not tell it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing

import pytest

import atomwire
from atomwire.bus import BusSettings, DeliveryError, EventBus, EventConsumer
from tests.broker import certificates
from tests.broker.certificates import Certificates
from tests.broker.cluster import Cluster, Security
from tests.broker.conftest import NewTopicOf, or_skip

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
