"""Settings: profiles, validation, environment, and what never shows."""

import dataclasses
import json
import math

import pytest
from confluent_kafka import Producer

from atomwire.bus import BusError, BusSettings, EventBus, SettingsError
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.properties import bus_properties, consumer_properties, producer_properties

PASSWORD = "correct horse battery"


@pytest.mark.parametrize(
    ("profile", "linger_ms", "batch_size"),
    [("batched", 10, 100), ("interactive", 0, 100), ("throughput", 50, 10_000)],
)
def test_a_profile_sets_linger_and_batch(profile, linger_ms, batch_size):
    settings = BusSettings(profile=profile)
    assert (settings.linger_ms, settings.batch_size) == (linger_ms, batch_size)


def test_the_default_profile_is_batched():
    assert BusSettings() == BusSettings(profile="batched", linger_ms=10, batch_size=100)


def test_a_given_value_wins_over_the_profile():
    settings = BusSettings(profile="throughput", linger_ms=3)
    assert (settings.linger_ms, settings.batch_size) == (3, 10_000)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BusSettings().linger_ms = 1


def test_settings_are_hashable():
    assert len({BusSettings(), BusSettings(), BusSettings(librdkafka={"client.rack": "a"})}) == 2


def test_replace_takes_the_new_profiles_values():
    assert BusSettings().replace(profile="interactive") == BusSettings(profile="interactive")


def test_replace_keeps_what_was_given():
    settings = BusSettings(linger_ms=10).replace(profile="interactive")
    assert settings.linger_ms == 10


def test_replace_names_an_unknown_setting():
    with pytest.raises(SettingsError, match=r"unknown setting lingr_ms: did you mean linger_ms\?"):
        BusSettings().replace(lingr_ms=1)


@pytest.mark.parametrize(
    ("name", "value", "way_out"),
    [
        ("profile", "quick", "batched, interactive, throughput"),
        ("compression", "rar", "lz4, snappy, zstd, gzip, none"),
        ("acks", 1, "all, 1, 0"),
        ("linger_ms", -1, "from 0 to 900,000"),
        ("linger_ms", float("nan"), "from 0 to 900,000"),
        ("linger_ms", True, "a number"),
        ("batch_size", 0, "from 1 to 1,000,000"),
        ("batch_size", 1.5, "a whole number"),
        ("batch_size", "100", "a whole number"),
        ("queue_size", 0, "from 1"),
        ("queue_bytes", 1, "from 100,000"),
        ("max_event_bytes", 10, "from 1,000"),
        ("synchronous", "off", "normal, full"),
        ("headers", "yes", "True or False"),
        ("auto_offset_reset", "newest", "earliest, latest"),
        ("group_protocol", "new", "classic, consumer"),
        ("on_full", "wait", "spool, raise, block, drop"),
        ("block_seconds", -1, "from 0"),
        ("spool_bytes", 1, "from 100,000"),
        ("exit_seconds", True, "a number"),
        ("security_protocol", "tls", "plaintext, ssl, sasl_plaintext, sasl_ssl"),
    ],
)
def test_a_bad_value_is_named_with_the_way_out(name, value, way_out):
    with pytest.raises(SettingsError) as caught:
        BusSettings(**{name: value})
    assert str(caught.value).startswith(f"{name}={value!r}: ")
    assert way_out in str(caught.value)


def test_a_settings_error_is_a_bus_error_and_a_value_error():
    assert issubclass(SettingsError, BusError)
    assert issubclass(SettingsError, ValueError)


def test_from_env_reads_every_setting():
    environ = {
        "ATOMWIRE_PROFILE": "throughput",
        "ATOMWIRE_LINGER_MS": "2.5",
        "ATOMWIRE_BATCH_SIZE": "7",
        "ATOMWIRE_COMPRESSION": "snappy",
        "ATOMWIRE_ACKS": "1",
        "ATOMWIRE_QUEUE_SIZE": "9",
        "ATOMWIRE_QUEUE_BYTES": "200000",
        "ATOMWIRE_MAX_EVENT_BYTES": "2000",
        "ATOMWIRE_SPOOL_DIR": "/spool",
        "ATOMWIRE_SYNCHRONOUS": "full",
        "ATOMWIRE_HEADERS": "Yes",
        "ATOMWIRE_AUTO_OFFSET_RESET": "latest",
        "ATOMWIRE_GROUP_PROTOCOL": "consumer",
        "ATOMWIRE_LIBRDKAFKA": json.dumps({"client.rack": "a"}),
        "HOME": "/somewhere",
    }
    assert BusSettings.from_env(environ) == BusSettings(
        profile="throughput",
        linger_ms=2.5,
        batch_size=7,
        compression="snappy",
        acks="1",
        queue_size=9,
        queue_bytes=200_000,
        max_event_bytes=2000,
        spool_dir="/spool",
        synchronous="full",
        headers=True,
        auto_offset_reset="latest",
        group_protocol="consumer",
        librdkafka={"client.rack": "a"},
    )


def test_from_env_covers_every_field():
    variables = {f"ATOMWIRE_{each.name.upper()}" for each in dataclasses.fields(BusSettings)}
    for variable in variables - {"ATOMWIRE__LEFT_OPEN"}:
        with pytest.raises(SettingsError, match=variable):
            BusSettings.from_env({variable: "\x00"})


def test_from_env_reads_the_process(monkeypatch):
    monkeypatch.setenv("ATOMWIRE_LINGER_MS", "4")
    assert BusSettings.from_env().linger_ms == 4


def test_from_env_passes_over_the_address():
    environ = {"ATOMWIRE_BROKERS": "kafka:9092", "ATOMWIRE_TOPIC": "cells"}
    assert BusSettings.from_env(environ) == BusSettings()


@pytest.mark.parametrize(
    ("variable", "text", "way_out"),
    [
        ("ATOMWIRE_LINGR_MS", "1", r"did you mean ATOMWIRE_LINGER_MS\?"),
        ("ATOMWIRE_XYZZY", "1", "known are ATOMWIRE_PROFILE"),
        ("ATOMWIRE_LINGER_MS", "soon", "'soon': must be a number from 0"),
        ("ATOMWIRE_LINGER_MS", "inf", "'inf': must be a number from 0"),
        ("ATOMWIRE_BATCH_SIZE", "1.5", "'1.5': must be a whole number"),
        ("ATOMWIRE_BATCH_SIZE", "0", "must be a whole number from 1"),
        ("ATOMWIRE_HEADERS", "maybe", "'maybe': allowed are 1, true, yes, on, 0"),
        ("ATOMWIRE_PROFILE", "", "'': allowed are batched"),
        ("ATOMWIRE_LIBRDKAFKA", "a=b", "must be a JSON object"),
        ("ATOMWIRE_LIBRDKAFKA", "[1]", "must map property names to values"),
    ],
)
def test_from_env_names_the_variable(variable, text, way_out):
    with pytest.raises(SettingsError, match=way_out) as caught:
        BusSettings.from_env({variable: text})
    assert variable in str(caught.value)


def test_a_librdkafka_property_reaches_producer_and_consumer():
    settings = BusSettings(librdkafka={"client.rack": "a"})
    assert producer_properties("b:1", settings)["client.rack"] == "a"
    assert consumer_properties("b:1", "g", settings)["client.rack"] == "a"


def test_the_mapping_given_can_be_changed_later():
    properties = {"client.rack": "a"}
    settings = BusSettings(librdkafka=properties)
    properties["client.rack"] = "b"
    assert settings.librdkafka == {"client.rack": "a"}


@pytest.mark.parametrize(
    "key",
    [
        "partitioner",
        "linger.ms",
        "enable.auto.commit",
        "acks",
        "max.in.flight",
        "queuing.strategy",
        "transactional.id",
        "logger",
    ],
)
def test_a_property_that_the_bus_decides_is_refused(key):
    with pytest.raises(SettingsError, match=f"librdkafka\\['{key}'\\]"):
        BusSettings(librdkafka={key: "x"})


def test_every_property_that_the_bus_sets_is_reserved_or_a_documented_choice():
    chosen = {
        "message.timeout.ms",
        "fetch.wait.max.ms",
        "topic.metadata.refresh.interval.ms",
    }
    ours = (
        bus_properties("b:1", BusSettings())
        | producer_properties("b:1", BusSettings(acks="1"))
        | consumer_properties("b:1", "g", BusSettings())
    )
    for key in ours.keys() - chosen:
        with pytest.raises(SettingsError):
            BusSettings(librdkafka={key: "x"})


@pytest.mark.parametrize("given", [{"a\0b": "x"}, {"client.id": "a\0b"}, {"client.id": "\ud800"}])
def test_a_property_that_c_cannot_read_is_refused(given):
    with pytest.raises(SettingsError, match="in UTF-8 and without NUL") as caught:
        BusSettings(librdkafka=given)
    assert f"librdkafka[{next(iter(given))!r}]" in str(caught.value)


SECRETS = {
    "sasl_username": "mr-secret",
    "sasl_password": PASSWORD,
    "tls_key_password": "k3y-s3cret",
}


def security(**changes: object) -> dict[str, object]:
    return {"sasl_mechanism": "SCRAM-SHA-512", **SECRETS} | changes


def everything_about(error: BaseException) -> str:
    """All that a log with the whole chain of an error would show."""
    chain: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and each not in chain:
            chain.append(each)
            pending += [each.__cause__, each.__context__]
    return " ".join(f"{each!r} {each} {getattr(each, '__notes__', '')}" for each in chain)


def test_security_reaches_producer_and_consumer():
    settings = BusSettings(
        **security(), tls_ca_location="/ca", tls_certificate_location="/cert", tls_key_location="/k"
    )
    wanted = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "mr-secret",
        "sasl.password": PASSWORD,
        "ssl.ca.location": "/ca",
        "ssl.certificate.location": "/cert",
        "ssl.key.location": "/k",
        "ssl.key.password": "k3y-s3cret",
    }
    assert wanted.items() <= producer_properties("b:1", settings).items()
    assert wanted.items() <= consumer_properties("b:1", "g", settings).items()


@pytest.mark.parametrize(
    ("given", "protocol"),
    [
        ({"tls_ca_location": "/ca"}, "ssl"),
        (security(), "sasl_ssl"),
        (security(security_protocol="sasl_plaintext"), "sasl_plaintext"),
    ],
)
def test_the_protocol_follows_from_what_is_given(given, protocol):
    assert producer_properties("b:1", BusSettings(**given))["security.protocol"] == protocol


def test_without_security_librdkafkas_defaults_hold():
    assert not any("s.l." in key for key in producer_properties("b:1", BusSettings()))
    assert "security.protocol" not in producer_properties("b:1", BusSettings())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (security(sasl_password=None), "sasl_password: is needed beside sasl_mechanism, sasl_user"),
        (security(sasl_mechanism=None), "sasl_mechanism: is needed"),
        (security(security_protocol="ssl"), "security_protocol='ssl': does not take"),
        ({"security_protocol": "sasl_ssl"}, "needs sasl_mechanism"),
        (security(sasl_password=7), "sasl_password: must be a text"),
        (security(sasl_password=""), "sasl_password: must be a text"),
        (security(sasl_password="k3y-s3cret\ud800"), "sasl_password: must be a text"),
        (security(sasl_mechanism="GSSAPI"), "sasl_mechanism='GSSAPI': allowed are PLAIN"),
        ({"librdkafka": {"sasl.password": PASSWORD}}, "is the setting sasl_password"),
    ],
)
def test_security_that_does_not_fit_together_is_named(given, message):
    with pytest.raises(SettingsError, match=message) as caught:
        BusSettings(**given)
    assert not any(secret in everything_about(caught.value) for secret in SECRETS.values())


def test_from_env_reads_security():
    environ = {f"ATOMWIRE_{name.upper()}": str(value) for name, value in security().items()}
    assert BusSettings.from_env(environ) == BusSettings(**security())


def test_a_secret_is_in_no_repr_no_log_and_no_error(caplog):
    settings = BusSettings(**security(security_protocol="sasl_plaintext"))
    with EventBus("127.0.0.1:1", settings=settings) as bus:
        shown = repr(settings) + str(settings) + repr(bus) + repr(bus.stats()) + repr(vars(bus))
        with pytest.raises(SettingsError) as caught:
            settings.replace(sasl_pasword=PASSWORD)
        shown += everything_about(caught.value)
    with pytest.raises(SettingsError) as caught:
        BusSettings(librdkafka={"sasl.kerberos.keytab": [PASSWORD]})
    shown += everything_about(caught.value)
    with pytest.raises(SettingsError) as caught:
        BusSettings.from_env({"ATOMWIRE_LIBRDKAFKA": PASSWORD})
    shown += everything_about(caught.value) + caplog.text
    assert not any(secret in shown for secret in SECRETS.values())


def test_passwords_in_the_open_are_warned_of_once(caplog, monkeypatch):
    monkeypatch.setattr("atomwire.bus.security._once", RateLimitedLog(interval=math.inf))
    for _ in range(2):
        producer_properties("b:1", BusSettings(**security()))
    assert not caplog.messages
    settings = BusSettings(**security(security_protocol="sasl_plaintext"))
    for _ in range(2):
        producer_properties("b:1", settings)
        consumer_properties("b:1", "g", settings)
    (told,) = caplog.messages
    assert "sasl_plaintext" in told
    assert "use sasl_ssl" in told


# ---- When the queue is full


def test_on_full_follows_from_the_spool_dir(tmp_path):
    assert BusSettings().on_full == "raise"
    assert BusSettings(spool_dir=tmp_path).on_full == "spool"
    assert BusSettings().replace(spool_dir=tmp_path).on_full == "spool"
    assert BusSettings(on_full="drop").replace(linger_ms=1).on_full == "drop"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on_full": "spool"}, "on_full='spool': needs a spool_dir"),
        ({"durable": True}, "durable=True: needs a spool_dir"),
        ({"synchronous": "full"}, "synchronous='full': needs a spool_dir"),
        ({"spool_dir": "x", "on_full": "raise"}, "only 'spool' is allowed"),
        ({"spool_dir": ""}, "spool_dir='': must be a path"),
    ],
)
def test_a_policy_needs_its_place(given, message):
    with pytest.raises(SettingsError, match=message):
        BusSettings(**given)


def test_acks_all_is_idempotent():
    properties = producer_properties("b:1", BusSettings())
    assert (properties["acks"], properties["enable.idempotence"]) == ("all", True)


def test_fewer_acks_still_keep_the_order():
    properties = producer_properties("b:1", BusSettings(acks="1"))
    assert properties["enable.idempotence"] is False
    assert properties["max.in.flight.requests.per.connection"] == 1


# ---- The producer that the bus feeds


def test_the_bus_alone_bounds_what_waits():
    properties = bus_properties("b:1", BusSettings(queue_size=5, max_event_bytes=2_000))
    assert properties["queue.buffering.max.messages"] == 0  # no bound
    assert properties["queue.buffering.max.kbytes"] == 2**31 - 1
    assert properties["message.max.bytes"] == 1_000_000_000


@pytest.mark.parametrize(
    ("topic_limit", "batch_size"), [(None, 5_000), (9_000, 5_000), (2_000, 2_000), (0, 1)]
)
def test_a_batch_is_no_larger_than_the_topic_takes(topic_limit, batch_size):
    properties = bus_properties("b:1", BusSettings(max_event_bytes=5_000), topic_limit)
    assert properties["batch.size"] == batch_size


@pytest.mark.parametrize("acks", ["all", "1", "0"])
@pytest.mark.parametrize("max_event_bytes", [1_000, 1_000_000_000])
def test_librdkafka_takes_the_properties_of_the_bus(acks, max_event_bytes, caplog):
    settings = BusSettings(acks=acks, max_event_bytes=max_event_bytes)
    properties = bus_properties("127.0.0.1:1", settings)
    assert properties.get("enable.gapless.guarantee", False) is (acks == "all")
    Producer(properties, logger=RateLimitedLog()).close()
    warnings = [line for line in caplog.messages if line.startswith("CONFWARN")]
    # That one is experimental to librdkafka, is said with each new producer.
    assert all("enable.gapless.guarantee is experimental" in line for line in warnings)
    assert len(warnings) == (acks == "all")
