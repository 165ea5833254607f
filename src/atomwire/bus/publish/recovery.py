"""The producer of a bus, and the next one when it has failed.

State: changed by the delivery thread alone, until the thread that closes the bus takes over.

| state       | what happens                                      | next        |
|-------------|---------------------------------------------------|-------------|
| BACKING_OFF | the pause is over, and a producer can be made     | SERVING     |
| BACKING_OFF | the pause is over, and none can be made           | BACKING_OFF |
| SERVING     | the producer fails, or an event comes back        | REPLACING   |
| SERVING     | the topic takes smaller batches than it sends     | REPLACING   |
| REPLACING   | it has let its events go                          | BACKING_OFF |
| any         | the bus is closed                                 | CLOSING     |
| CLOSING     | the producer has let its events go                | CLOSED      |

A bus begins with backing off, for no time at all. While it is not serving, events wait in the
backlog. The pause is none after a producer that got something done, then half a second, and up to
ten: a failure that repeats itself (no right to write, say) must not become a busy loop.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable

from confluent_kafka import KafkaError

from atomwire._native import ProducerSession, SendQueue, keep_forever, reason_of
from atomwire.bus.connection import Connection
from atomwire.bus.log import RateLimitedLog

__all__ = ["Recovery", "State"]

_IDLE_SECONDS = 3_600.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
# What is on its way gets this long to be acknowledged before its producer is replaced.
_IN_FLIGHT_SECONDS = 1.0
# What librdkafka is granted for giving back the events it has, and for ending its threads.
_PURGE_SECONDS = 5.0
_END_SECONDS = 5.0
# librdkafka says so of every producer that keeps order as the bus wants it.
_EXPECTED_WARNING = "enable.gapless.guarantee"
# By syslog's levels, from 0.
_LEVELS = (
    *(logging.CRITICAL,) * 3,
    logging.ERROR,
    logging.WARNING,
    *(logging.INFO,) * 2,
    logging.DEBUG,
)


class State(enum.Enum):
    """What the bus does about its producer."""

    BACKING_OFF = enum.auto()
    SERVING = enum.auto()
    REPLACING = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


class Recovery:
    """Keeps a bus in a producer.

    Parameters
    ----------
    queue : SendQueue
        Whose events go to the producer, and come back from it.
    make : Callable[[int | None], ProducerSession]
        Makes a producer whose batches fit the topic's limit, where that is known; or raises.
    log : RateLimitedLog
        For the producer's log lines, and ours. They wait there until somebody speaks.
    max_event_bytes : int
        Of a batch, as far as the settings are concerned.

    Attributes
    ----------
    state : State
    """

    def __init__(
        self,
        queue: SendQueue,
        make: Callable[[int | None], ProducerSession],
        log: RateLimitedLog,
        max_event_bytes: int,
    ) -> None:
        self._queue = queue
        self._make = make
        self._log = log
        self._max_batch = max_event_bytes
        self._topic_limit: int | None = None
        self._connection = Connection(log.later)
        self._session: ProducerSession | None = None
        self._broken = 0
        self._stepping = False
        self._pause = 0.0
        self._not_before = 0.0
        self._settled_before = 0
        self._settled_at_failure = -1
        self._reason: str | None = None
        self.state = State.BACKING_OFF

    # ---- Asked by any thread.

    @property
    def healthy(self) -> bool:
        """Whether events go through, as far as is known: librdkafka tells once a second."""
        session = self._session
        return (
            self.state is State.SERVING
            and not self._broken
            and session is not None
            and session.connected
            and session.topic_known
            and self._goes_on()
        )

    @property
    def last_error(self) -> str | None:
        """The latest error of the connection, None while a broker is connected."""
        session = self._session
        connected = session is not None and session.connected
        return None if connected else self._connection.last_error

    @property
    def reason(self) -> str | None:
        """What keeps events from the topic, or why the last producer was replaced."""
        session = self._session
        error = 0 if session is None else session.topic_error
        return reason_of(error) if error else self._reason

    # ---- The delivery thread.

    def open(self) -> None:
        """Make the first producer, and raise what stands against it."""
        self._serve(self._make(None))

    def pause(self) -> float:
        """Return the seconds for which there is nothing to do, unless something happens."""
        if self.state is State.BACKING_OFF:
            return max(self._not_before - time.monotonic(), 0.0)
        return _IDLE_SECONDS

    def broke(self, error: int) -> None:
        """Take note that the producer has failed, or that an event came back from it."""
        self._broken = error

    def hear(self) -> None:
        """Keep what the producer has to say for the log."""
        session = self._session
        if session is None:
            return
        for is_error, fatal, number, facility, text in session.notices():
            if is_error:
                self._connection.on_error(KafkaError(number, text, fatal=fatal))
            elif _EXPECTED_WARNING not in text:
                self._log.later(_LEVELS[number], "%s %s", facility, text)

    def step(self) -> None:
        """Go from one state to the next, if it is time."""
        # A finalizer that waits for the bus comes here from within.
        if self._stepping:
            return
        self._stepping = True
        try:
            if self.state is State.SERVING and self._broken:
                self._replace()
            elif self.state is State.SERVING:
                self._heed_topic_limit()
            if self.state is State.BACKING_OFF and time.monotonic() >= self._not_before:
                self._try_to_serve()
        finally:
            self._stepping = False

    # ---- The end.

    def close(self) -> None:
        """Let the producer go, with what it has; it was given its time before."""
        self.state = State.CLOSING
        self._let_go(0.0)
        self.state = State.CLOSED

    def abandon(self) -> None:
        """Leave the producer to the parent process: its threads did not come along in the fork."""
        if self._session is not None:
            keep_forever(self._session)

    # ---- Inside.

    def _goes_on(self) -> bool:
        """Whether something was settled since the last failure, or nothing waits to be."""
        _, delivered, failed, in_flight, backlog, spooled, _, _, left = self._queue.counts()
        return delivered + failed != self._settled_at_failure or not (
            in_flight or backlog or spooled > left
        )

    def _settled(self) -> int:
        _, delivered, failed, *_ = self._queue.counts()
        return delivered + failed

    def _serve(self, session: ProducerSession) -> None:
        self._broken = 0
        self._session = session
        session.attach()
        self.state = State.SERVING

    def _replace(self) -> None:
        self.state = State.REPLACING
        self.hear()
        self._reason = self._connection.fatal_reason or reason_of(self._broken)
        try:
            self._log.later(
                logging.WARNING,
                "replacing the producer (%s); what it has not delivered is sent again",
                self._reason,
            )
            self._let_go(_IN_FLIGHT_SECONDS)
            self._connection.fatal_reason = None
            settled = self._settled()
            if settled != self._settled_before:
                self._pause = 0.0
            self._settled_before = self._settled_at_failure = settled
        finally:
            self._back_off()

    def _heed_topic_limit(self) -> None:
        session = self._session
        limit = session.topic_limit if session is not None else 0
        known = self._topic_limit or self._max_batch
        if not limit or min(limit, self._max_batch) == min(known, self._max_batch):
            return
        self._topic_limit = limit
        self.state = State.REPLACING
        try:
            self._let_go(_IN_FLIGHT_SECONDS)
        finally:
            self._pause = 0.0
            self._back_off()

    def _back_off(self) -> None:
        self._not_before = time.monotonic() + self._pause
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        if self.state is State.REPLACING:  # nobody has closed the bus meanwhile
            self.state = State.BACKING_OFF

    def _try_to_serve(self) -> None:
        try:
            session = self._make(self._topic_limit)
        except Exception as error:  # a certificate that is being exchanged, say
            self._reason = str(error)
            self._log.later(logging.ERROR, "no new producer, trying again: %s", error)
            self._back_off()
            return
        if self.state is State.BACKING_OFF:
            self._serve(session)
        else:
            session.end(_END_SECONDS)

    def _let_go(self, seconds: float) -> None:
        self._reason = self.reason
        session, self._session = self._session, None
        self._queue.detach()
        if session is None:
            return
        if not session.drain(seconds, _PURGE_SECONDS):
            self._log.later(logging.ERROR, "librdkafka has not given all events back")
        lost = self._queue.settle_returned()
        if lost:
            self._log.later(logging.ERROR, "the outcome of %d events was never reported", lost)
        if not session.end(_END_SECONDS):
            keep_forever(session)
