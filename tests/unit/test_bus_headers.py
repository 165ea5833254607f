"""A header that cannot be sent is refused in the call, and costs nobody an event."""

import pytest

from atomwire.bus import BusStats, EventBus
from tests.support.bus import TOPIC, by_tenant, event, nobody, read

BAD = [
    ({b"name": "value"}, TypeError),
    ({"\ud800": "value"}, ValueError),
    ({"name": "\ud800"}, ValueError),
    ({"name": 1}, TypeError),
    ({"name": None}, TypeError),
    ([("good", b"1"), ("name",)], TypeError),
]


@pytest.mark.parametrize("durable", [False, True], ids=["spool", "durable"])
def test_a_full_queue_of_others_is_untouched(embedded_broker, tmp_path, durable):
    published = {tenant: [event(tenant, n) for n in range(30)] for tenant in ("a", "b")}
    settings = {"queue_size": 5, "spool_dir": tmp_path, "durable": durable}
    with nobody() as address:
        bus = EventBus(address, TOPIC, **settings)
        for number, each in enumerate(published["a"]):
            bus.publish(each)
            headers, kind = BAD[number % len(BAD)]
            for call in (bus.publish, bus.submit):
                with pytest.raises(kind, match="header"):
                    call(event("b"), headers=headers)
        bus.publish_many(published["b"])
        bus.close(timeout=0)
    assert bus.stats() == BusStats(accepted=60, delivered=0, failed=0, queued=0, spooled=60)
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings):
        pass
    assert by_tenant(read(embedded_broker, 60)) == published
