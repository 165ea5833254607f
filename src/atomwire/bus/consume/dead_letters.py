"""Messages that are no events, set apart in a topic of their own."""

from __future__ import annotations

import threading

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from atomwire.bus.errors import ConsumerError
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.properties import make_client, producer_properties
from atomwire.bus.settings import BusSettings

__all__ = ["DeadLetters"]

# A commit waits this long for the acknowledgement before it fails.
_PATIENCE_SECONDS = 30.0


class DeadLetters:
    """Publishes bad messages as they came, with what is wrong and where they were in headers.

    Parameters
    ----------
    brokers, topic, settings
        Of the consumer; the dead letters go to ``<topic>.dead-letter``.
    log : RateLimitedLog
        For the producer's log lines.
    """

    def __init__(
        self, brokers: str, topic: str, settings: BusSettings, log: RateLimitedLog
    ) -> None:
        self._topic = f"{topic}.dead-letter"
        properties = producer_properties(brokers, settings)
        self._producer = make_client(Producer, properties, log)
        self._lock = threading.Lock()
        self._sent = 0
        self._acknowledged = 0
        self._failure: str | None = None
        self._closed = False

    def send(self, message: Message, reason: Exception) -> None:
        """Publish a message that `reason` is wrong with.

        Raises
        ------
        ConsumerError
            The producer did not take it.
        """
        headers: list[tuple[str, str | bytes | None]] = [
            ("reason", str(reason).encode()),
            ("topic", str(message.topic()).encode()),
            ("partition", str(message.partition()).encode()),
            ("offset", str(message.offset()).encode()),
        ]
        try:
            self._producer.produce(
                self._topic,
                message.value(),
                message.key(),
                on_delivery=self._on_delivery,
                timestamp=max(message.timestamp()[1], 0),
                headers=headers,
            )
        except (BufferError, KafkaException) as error:
            raise ConsumerError(
                f"topic {self._topic!r} did not take a dead letter: {error}"
            ) from None
        self._sent += 1
        self._producer.poll(0)

    def await_acknowledgement(self) -> None:
        """Wait until the broker has all that was sent.

        Raises
        ------
        ConsumerError
            It did not take one, or does not answer. Nothing may be committed then.
        """
        if self._sent == self._acknowledged:
            return
        self._producer.flush(_PATIENCE_SECONDS)
        if self._sent != self._acknowledged:
            raise ConsumerError(
                f"{self._sent - self._acknowledged} dead letters were not acknowledged by topic "
                f"{self._topic!r}{f' ({self._failure})' if self._failure else ''}; "
                "what they came with was not committed"
            )

    def close(self) -> None:
        """Give up what was not acknowledged: it was not committed, and will be met again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._producer.purge()
            self._producer.flush(1.0)
            self._producer.close()

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self._acknowledged += 1
        else:
            self._failure = error.str()
