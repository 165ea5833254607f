"""Durable events of many tenants, with gathered cells between, at every fill of a small queue."""

import pytest

from atomwire import Molecules, decode
from atomwire.bus import BusStats, EventBus
from tests.support.bus import PATIENCE, TOPIC, event, nobody, read

TENANTS = ("a", "b", "c")
FIRST_EVENT = 1_000


def numbers(broker, count):
    """Return each tenant's cells by number, in the order of the log."""
    found = {tenant: [] for tenant in TENANTS}
    for message in read(broker, count):
        cells = decode(message.value()).molecules
        found[message.key().decode()] += [cell.coordinate_hash for cell in cells]
    return found


def fill(bus, level):
    """Events, cells of every tenant, and events of every tenant again, all in one order."""
    for number in range(level):
        bus.publish(event(TENANTS[number % 3], number))
    for number in range(100, 104):
        for tenant in TENANTS:
            bus.write(tenant, number, 1.0)
    bus.publish_many([event(tenant, FIRST_EVENT + n) for n in range(30) for tenant in TENANTS])
    for tenant in TENANTS:
        bus.write_molecules(tenant, Molecules([5_000]))


def expected(level, index):
    return [
        *range(index, level, 3),
        *range(100, 104),
        *range(FIRST_EVENT, FIRST_EVENT + 30),
        5_000,
    ]


@pytest.mark.parametrize("level", [*range(17, 24), 0, 1, 39, 40, 100])
@pytest.mark.parametrize("is_there", [True, False], ids=["there", "away"])
def test_all_arrive_in_order(embedded_broker, tmp_path, level, is_there):
    address = embedded_broker.bootstrap_servers
    settings = {"durable": True, "spool_dir": tmp_path, "queue_size": 20, "linger_ms": 300}
    if is_there:
        with EventBus(address, TOPIC, **settings) as bus:
            fill(bus, level)
            assert bus.flush(PATIENCE) == 0
    else:
        with nobody() as nowhere:
            bus = EventBus(nowhere, TOPIC, **settings)
            fill(bus, level)
            assert bus.flush(0.1) > 0
            bus.close(timeout=0)
        assert bus.stats().spooled == bus.stats().accepted
        with EventBus(address, TOPIC, **settings) as bus:
            assert bus.flush(PATIENCE) == 0
    count = bus.stats().accepted
    assert bus.stats() == BusStats(accepted=count, delivered=count, failed=0, queued=0)
    assert numbers(embedded_broker, count) == {
        tenant: expected(level, index) for index, tenant in enumerate(TENANTS)
    }
