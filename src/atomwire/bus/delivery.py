"""What became of the events that could not be delivered, as librdkafka reports it."""

from __future__ import annotations

import logging
import threading
from collections import Counter

from confluent_kafka import KafkaError, Message

from atomwire.bus.log import RateLimitedLog

__all__ = ["FailedDeliveries"]


class FailedDeliveries:
    """Counts failed events, by tenant; an instance is the producer's `on_delivery`.

    Only failures are reported (`delivery.report.only.error`), because a report costs a Message
    object made under the interpreter lock. It is called by whichever thread serves the producer.
    """

    def __init__(self, log: RateLimitedLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._by_tenant: Counter[str] = Counter()
        self._total = 0
        self.last_reason: str | None = None

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        """Take a delivery report."""
        if error is None:
            return
        tenant_id = (message.key() or b"").decode("utf-8", "replace")
        reason = error.str()
        with self._lock:
            self._by_tenant[tenant_id] += 1
            self._total += 1
            self.last_reason = reason
        self._log.log(
            logging.ERROR,
            "%s: event of tenant %r not delivered: %s",
            error.name(),
            tenant_id,
            reason,
        )

    @property
    def total(self) -> int:
        """Events that failed so far."""
        return self._total

    def by_tenant(self) -> dict[str, int]:
        """Return the failed events of each tenant, most first."""
        with self._lock:
            return dict(self._by_tenant.most_common())
