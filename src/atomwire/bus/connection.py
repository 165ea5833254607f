"""Whether a client's brokers can be reached, from what librdkafka tells."""

from __future__ import annotations

import json
import logging

from confluent_kafka import KafkaError

from atomwire.bus.log import RateLimitedLog

__all__ = ["Connection"]


class Connection:
    """The last known state of a client's connections.

    Attributes
    ----------
    up : bool
        A broker is connected, by the latest statistics (one a second).
    fatal_reason : str or None
        Why librdkafka gave the client up for good.
    last_error : str or None
        The latest error of a connection, None while a broker is connected.
    """

    def __init__(self, log: RateLimitedLog) -> None:
        self._log = log
        self.up = False
        self.fatal_reason: str | None = None
        self.last_error: str | None = None

    def on_error(self, error: KafkaError) -> None:
        """Take an error of the client: its `error_cb`."""
        if error.fatal():
            self.fatal_reason = error.str()
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            # Says less than the error of the connection that went down before it.
            self.up = False
        else:
            self.last_error = error.str()
        self._log.log(logging.ERROR, "%s: %s", error.name(), error.str())

    def on_statistics(self, statistics: str) -> None:
        """Take the statistics of the client, JSON: its `stats_cb`."""
        brokers = json.loads(statistics)["brokers"].values()
        self.up = any(broker["state"] == "UP" for broker in brokers)
        if self.up:
            self.last_error = None
