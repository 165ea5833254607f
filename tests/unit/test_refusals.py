"""What librdkafka refuses is named with its reason, and no value is shown."""

import contextlib

import pytest
from confluent_kafka import Consumer

from atomwire.bus import BusSettings, EventBus, SettingsError
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.properties import consumer_properties, make_client
from atomwire.bus.refusals import refusal

BROKERS = "127.0.0.1:1"
SECRET = "s3cret"
TLS = {"security_protocol": "ssl"}


def refused_by_bus(settings):
    with pytest.raises(SettingsError) as caught, contextlib.closing(EventBus(BROKERS, **settings)):
        pass
    return caught.value


def refused_by_consumer(settings):
    properties = consumer_properties(BROKERS, "group", BusSettings(**settings))
    with pytest.raises(SettingsError) as caught:
        make_client(Consumer, properties, RateLimitedLog())
    return caught.value


@pytest.fixture(params=[refused_by_bus, refused_by_consumer])
def refused(request):
    return request.param


def everything_about(error):
    """All that a log with the whole chain of an error would show."""
    return f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("no.such", SECRET, 'No such configuration property: "no.such"'),
        ("sasl.oauthbearer.method", SECRET, "Invalid value ***"),
        ("debug", f"broker,{SECRET}", "Invalid value ***"),
        ("socket.timeout.ms", SECRET, "Invalid value for"),
        ("socket.timeout.ms", 5, "value *** is outside allowed range 10..300000"),
        ("socket.timeout.ms", 5_000_000_000, "value *** is outside allowed range"),
        ("socket.keepalive.enable", SECRET, "Expected bool value"),
        ("topic.blacklist", f"^({SECRET}", "Failed to parse pattern"),
        ("topic.blacklist", "^(", "Failed to parse pattern"),
        ("plugin.library.paths", SECRET, "dlopen() failed"),
        ("sasl.oauthbearer.method", f'{SECRET}" for "{SECRET}', "Invalid value ***"),
        ("error_cb", SECRET, "error_cb"),
    ],
)
def test_a_refused_property_is_named_without_its_value(refused, name, value, reason):
    error = refused({"librdkafka": {name: value, "client.id": "a"}})
    assert str(error).startswith(f"librdkafka[{name!r}]: librdkafka refuses it: ")
    assert reason in str(error)
    told = everything_about(error).replace("10..300000", "")
    assert not any(part in told for part in (SECRET, "^(", "5", "705032704"))


def test_a_value_that_is_cut_off_is_not_shown_either(refused):
    error = refused({"librdkafka": {"sasl.oauthbearer.method": SECRET * 200}})
    assert str(error).endswith("refuses the settings: Invalid value ***")
    assert SECRET not in everything_about(error)


@pytest.mark.parametrize("name", ["ssl.cipher.suites", "ssl.providers", "ssl.ca.pem"])
def test_a_refused_part_of_tls_is_named_without_its_value(refused, name):
    error = refused(TLS | {"librdkafka": {name: SECRET}})
    assert str(error).startswith(f"librdkafka[{name!r}]: librdkafka refuses it: ")
    assert SECRET not in everything_about(error)


@pytest.mark.parametrize(
    "setting", ["tls_ca_location", "tls_certificate_location", "tls_key_location"]
)
def test_a_refused_file_says_its_path_and_what_is_wrong(refused, tmp_path, setting):
    missing, text = tmp_path / "missing.pem", tmp_path / "text.pem"
    text.write_text("a certificate")
    assert f"{setting}={str(missing)!r}: No such file or directory" in str(
        refused({setting: missing})
    )
    assert f"{setting}={str(text)!r}: is not in PEM" in str(refused({setting: text}))


def test_a_directory_is_no_key(refused, tmp_path):
    error = refused({"tls_key_location": tmp_path})
    assert f"tls_key_location={str(tmp_path)!r}: Is a directory" in str(error)


def test_a_file_with_nothing_to_see_keeps_librdkafkas_reason(refused, tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    error = str(refused({"tls_certificate_location": bad, "tls_key_password": SECRET}))
    assert f"tls_certificate_location={str(bad)!r}: librdkafka refuses it: " in error
    assert "ssl.certificate.location failed" in error
    assert SECRET not in error


def test_what_nobody_gave_is_not_blamed():
    error = refusal("`enable.gapless.guarantee` requires `enable.idempotence`", {"acks": "1"})
    assert str(error).startswith("librdkafka refuses the settings: `enable.gapless")


def test_a_short_value_takes_no_piece_of_a_word():
    properties = {"sasl.password": "a", "client.rack": "rack"}
    assert str(refusal("no rack for a rabbit", properties)).endswith("no *** for *** rabbit")
