"""Ask for a broker and a topic before anything is sent to them."""

import time
from contextlib import closing
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

from atomwire.bus import BusSettings, SettingsError
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.properties import make_client, producer_properties
from atomwire.cli.errors import CommandError

PATIENCE: Final = 5.0
"""Seconds that a broker has for its first answer."""

_BEING_MADE: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE})


def settings_from_environment() -> BusSettings:
    """Read the bus's settings (security, compression, ...) from ``ATOMWIRE_*``."""
    try:
        return BusSettings.from_env()
    except SettingsError as error:
        raise CommandError(str(error)) from error


def require_topic(brokers: str, topic: str, settings: BusSettings) -> None:
    """Return when a broker answers and the topic is there.

    Raises
    ------
    CommandError
        If no broker answers in time, or if the topic cannot be had.
    """
    try:
        client = make_client(Producer, producer_properties(brokers, settings), RateLimitedLog())
    except SettingsError as error:
        raise CommandError(str(error)) from error
    deadline = time.monotonic() + PATIENCE
    with closing(client):
        while fault := _topic_fault(client, brokers, topic):
            # A broker that makes topics on demand says 'unknown' until it has made this one.
            if fault.code() not in _BEING_MADE or time.monotonic() > deadline:
                raise CommandError(f"topic {topic!r} on {brokers}: {fault.str()}; create it first")
            time.sleep(0.1)


def _topic_fault(client: Producer, brokers: str, topic: str) -> KafkaError | None:
    try:
        metadata = client.list_topics(topic, timeout=PATIENCE)
    except KafkaException as error:
        raise CommandError(
            f"no broker answers at {brokers} within {PATIENCE:.0f} s "
            f"({error.args[0].str()}): start one, or name yours with --brokers or ATOMWIRE_BROKERS"
        ) from error
    fault: KafkaError | None = metadata.topics[topic].error
    return fault
