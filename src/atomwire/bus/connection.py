"""What is wrong with a client's connections, from what librdkafka tells."""

from __future__ import annotations

import logging
from collections.abc import Callable

from confluent_kafka import KafkaError

__all__ = ["Connection"]


class Connection:
    """The errors of a client's connections.

    Parameters
    ----------
    log : Callable[..., None]
        Takes each as a line, as `logging.Logger.log` does.

    Attributes
    ----------
    fatal_reason : str or None
        Why librdkafka gave the client up for good.
    last_error : str or None
        The latest error of a connection.
    """

    def __init__(self, log: Callable[..., None]) -> None:
        self._log = log
        self.fatal_reason: str | None = None
        self.last_error: str | None = None

    def on_error(self, error: KafkaError) -> None:
        """Take an error of the client: its `error_cb`."""
        if error.fatal():
            self.fatal_reason = error.str()
        # Says less than the error of the connection that went down before it.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.last_error = error.str()
        self._log(logging.ERROR, "%s: %s", error.name(), error.str())
