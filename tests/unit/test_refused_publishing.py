"""What a bus refuses costs little, is named, and leaves all others alone."""

import json

import pytest

from atomwire import EventType, InvalidEventError, Molecules, encode
from atomwire.bus import BusFullError, BusStats, DeliveryError, EventBus, EventTooLargeError
from atomwire.bus.publish import event_bus
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, nobody, read
from tests.support.patch import root, vector, with_bytes, with_u32

LONG_TENANT = "t" * 300


@pytest.fixture
def away():
    with nobody() as address:
        yield address


def close_in_vain(bus):
    with pytest.raises(DeliveryError):
        bus.close(timeout=0)


# ---- A full queue


def test_many_events_are_checked_once_each_however_many_are_dropped(away, monkeypatch):
    checked = []
    check = event_bus.check_events
    monkeypatch.setattr(
        event_bus, "check_events", lambda given, *rest: checked.extend(given) or check(given, *rest)
    )
    bus = EventBus(away, TOPIC, queue_size=10, on_full="drop")
    events = [event(number=n % 100) for n in range(20_000)]
    bus.publish_many(events)
    assert checked == events
    assert bus.stats() == BusStats(accepted=10, delivered=0, failed=0, queued=10, dropped=19_990)
    close_in_vain(bus)


def test_a_refusal_reads_no_statistics(away, monkeypatch):
    bus = EventBus(away, TOPIC, queue_size=1)
    assert eventually(lambda: bus._recovery.last_error)
    bus.publish(event())

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("JSON")

    monkeypatch.setattr(json, "loads", fail)
    monkeypatch.setattr(json.JSONDecoder, "decode", fail)
    for _ in range(100):
        with pytest.raises(BusFullError, match="does not keep up"):
            bus.publish(event())
    close_in_vain(bus)


# ---- Too large


@pytest.mark.parametrize("linger_ms", [0, 5, 1_000])
@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
def test_a_cell_too_large_with_its_key_among_gathered_ones(
    embedded_broker, tmp_path, linger_ms, durable
):
    settings = {"spool_dir": tmp_path, "durable": True} if durable else {}
    address = embedded_broker.bootstrap_servers
    bus = EventBus(address, TOPIC, max_event_bytes=1_000, linger_ms=linger_ms, **settings)
    tenants = [LONG_TENANT, "other"]
    for number in range(40):
        for tenant in tenants:
            bus.write(tenant, number, 1.0)
        with pytest.raises(EventTooLargeError, match=r"max_event_bytes=1,000") as caught:
            bus.write(LONG_TENANT, number, "x" * 500)
        assert caught.value.accepted == 0
    assert bus.flush(PATIENCE) == 0
    stats = bus.stats()
    assert (stats.failed, stats.gathering, stats.delivered) == (0, 0, stats.accepted)
    bus.close()
    messages = read(embedded_broker, stats.accepted)
    assert set(by_tenant(messages)) == set(tenants)
    assert all(len(each.key()) + len(each.value()) < 1_000 for each in messages)


def test_a_large_event_between_gathered_cells_leaves_them_alone(embedded_broker):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, max_event_bytes=1_000)
    for number in range(5):
        bus.write(LONG_TENANT, number, 1.0)
    with pytest.raises(EventTooLargeError):
        bus.publish(encode(LONG_TENANT, Molecules(list(range(20)), numeric_value=1.0)))
    assert bus.flush(PATIENCE) == 0
    assert bus.stats().failed == 0
    bus.close()


@pytest.mark.parametrize("mode", ["plain", "headers", "spool", "durable"])
def test_a_large_one_of_many_says_so_and_those_before_it_are_taken(embedded_broker, tmp_path, mode):
    settings = {"spool_dir": tmp_path} if mode in ("spool", "durable") else {}
    settings |= {"durable": mode == "durable", "headers": mode == "headers"}
    large = encode("acme", Molecules(list(range(100)), numeric_value=1.0))
    published = [event(number=n) for n in range(20)]
    address = embedded_broker.bootstrap_servers
    with EventBus(address, TOPIC, max_event_bytes=1_000, **settings) as bus:
        with pytest.raises(EventTooLargeError, match="max_event_bytes=1,000") as caught:
            bus.publish_many([*published, large, event()])
        assert caught.value.accepted == 20
    assert by_tenant(read(embedded_broker, 20)) == {"acme": published}


def test_molecules_too_large_say_which_setting_and_how_many_were_taken(away):
    bus = EventBus(away, TOPIC, max_event_bytes=1_000)
    texts = ["short"] * 5 + ["x" * 1_000] + ["short"]
    with pytest.raises(EventTooLargeError) as caught:
        bus.write_molecules("acme", Molecules(list(range(7)), text_commentary=texts))
    assert caught.value.accepted == 5
    told = str(caught.value)
    assert "molecules[5] alone" in told
    assert "max_event_bytes=1,000" in told
    assert "raise max_event_bytes" in told
    assert "max_bytes: 0" not in told
    close_in_vain(bus)


def test_a_key_that_leaves_no_room_for_any_molecule(away):
    with EventBus(away, TOPIC, max_event_bytes=1_000, headers=True) as bus:
        with pytest.raises(EventTooLargeError, match="max_event_bytes=1,000") as caught:
            bus.write_molecules("t" * 900, Molecules([1]))
        assert caught.value.accepted == 0
        assert "max_bytes: 0" not in str(caught.value)


# ---- Many at once


TRACE_ID, TENANT_ID = 1, 4


def damaged(field):
    """An event with a text that is none."""
    sound = encode("acme", type=EventType.HEARTBEAT, trace_id="0" * 32)
    return with_bytes(sound, vector(sound, root(sound), field) + 4, b"\xff\xff")


def without_tenant():
    """An event with an empty tenant."""
    sound = event()
    return with_u32(sound, vector(sound, root(sound), TENANT_ID), 0)


BAD = [
    (b"nonsense", InvalidEventError, r"events\[3\]"),
    (b"", InvalidEventError, r"events\[3\]"),
    ("text", TypeError, r"events\[3\]: event: must be bytes"),
    (bytearray(event()), TypeError, r"events\[3\]: event: must be bytes"),
    (None, TypeError, r"events\[3\]"),
    (without_tenant(), InvalidEventError, r"events\[3\].tenant_id"),
    (damaged(TENANT_ID), InvalidEventError, r"events\[3\].tenant_id"),
    (event("other"), ValueError, r"events\[3\]: tenant_id='acme'"),
]


@pytest.mark.parametrize(("bad", "kind", "message"), BAD)
@pytest.mark.parametrize("mode", ["plain", "headers", "durable"])
def test_one_bad_event_of_many_is_named_and_none_is_taken(away, tmp_path, bad, kind, message, mode):
    settings = {
        "plain": {},
        "headers": {"headers": True},
        "durable": {"durable": True, "spool_dir": tmp_path},
    }[mode]
    with EventBus(away, TOPIC, **settings) as bus:
        with pytest.raises(kind, match=message) as caught:
            bus.publish_many([event()] * 3 + [bad] + [event()], tenant_id="acme")
        if isinstance(caught.value, InvalidEventError):
            assert caught.value.field.startswith("events[3]")
        assert bus.stats().accepted == 0


def test_a_bad_event_is_named_where_headers_are_made_of_it_too(away):
    bad = damaged(TRACE_ID)
    with EventBus(away, TOPIC, headers=True) as bus:
        with pytest.raises(InvalidEventError) as caught:
            bus.publish_many([event(), bad])
        assert caught.value.field == "events[1].trace_id"
        assert bus.stats().accepted == 0


def test_events_may_come_from_a_generator_that_fails(away):
    def events():
        yield event()
        raise KeyError("a row is missing")

    with EventBus(away, TOPIC) as bus:
        with pytest.raises(KeyError):
            bus.publish_many(events())
        assert bus.stats().accepted == 0


# ---- Arguments


@pytest.mark.parametrize(
    ("argument", "arguments"),
    [
        ("tenant_id", {"tenant_id": 5}),
        ("user_id", {"user_id": 5}),
        ("region", {"region": b"eu"}),
        ("trace_id", {"trace_id": 5}),
        ("molecules", {"molecules": [1]}),
    ],
)
def test_an_argument_of_a_wrong_type_is_named(away, argument, arguments):
    given = {"tenant_id": "acme", "molecules": Molecules([1]), **arguments}
    with EventBus(away, TOPIC) as bus, pytest.raises(TypeError, match=argument):
        bus.write_molecules(**given)


@pytest.mark.parametrize(
    ("argument", "arguments"),
    [
        ("tenant_id", {"tenant_id": 5}),
        ("tenant_id", {"tenant_id": None}),
        ("user_id", {"user_id": 5}),
        ("region", {"region": b"eu"}),
        ("timestamp", {"timestamp": "now"}),
        ("security_mask", {"security_mask": 1.5}),
    ],
)
def test_an_argument_of_a_cell_of_a_wrong_type_is_named(away, argument, arguments):
    given = {"tenant_id": "acme", "coordinate_hash": 1, "value": 1.0, **arguments}
    with EventBus(away, TOPIC) as bus:
        with pytest.raises(TypeError, match=argument):
            bus.write(**given)
        assert bus.stats().accepted == 0
