"""Where librdkafka is found."""

import confluent_kafka.cimpl

from atomwire.bus.publish._rdkafka import missing_from
from atomwire.codec import _codec


def test_it_is_the_one_of_confluent_kafka():
    assert missing_from(confluent_kafka.cimpl.__file__) is None


def test_what_is_missing_is_named():
    # Loaded, and not linked with librdkafka.
    assert missing_from(_codec.__file__) == "rd_kafka_conf_new"
    # Not loaded.
    assert missing_from("nowhere.so") == "nowhere.so"
