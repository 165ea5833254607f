"""The log that repeats itself rarely: from anywhere, bounded, and never in the way."""

import logging
import signal
import threading

import pytest

from atomwire.bus.log import RateLimitedLog


class Handler(logging.Handler):
    """Keeps the lines, and does something about each."""

    def __init__(self, about=lambda line: None):
        super().__init__()
        self.lines = []
        self._about = about

    def emit(self, record):
        self.lines.append(record.getMessage())
        self._about(record.getMessage())


@pytest.fixture
def logger():
    logger = logging.Logger("apart", logging.DEBUG)
    yield logger
    logger.handlers.clear()


def test_a_handler_may_log_through_the_same_log(logger):
    log = RateLimitedLog(logger)
    handler = Handler(lambda line: log.log(logging.ERROR, "again: %s", line.split()[-1]))
    logger.addHandler(handler)
    log.log(logging.ERROR, "first: %s", "x")
    assert handler.lines == ["first: x", "again: x"]


def test_a_call_in_the_middle_of_a_call_returns(logger):
    # What a finalizer does, that the collector may run at any allocation.
    handler = Handler()
    logger.addHandler(handler)
    inner = []

    def clock():
        if not inner:
            inner.append(True)
            log.log(logging.ERROR, "%s", "same")
            log.log(logging.ERROR, "%s", "other")
        return 0.0

    log = RateLimitedLog(logger, clock=clock)
    thread = threading.Thread(target=log.log, args=(logging.ERROR, "%s", "same"), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert handler.lines == ["same", "other"]


def test_a_signal_may_come_at_any_step(logger):
    # Wherever the signal strikes: its handler logs the same kind, another, and one that is new.
    log = RateLimitedLog(logger, interval=0.001)
    handler = Handler()
    logger.addHandler(handler)
    struck = []

    def on_signal(*_):
        struck.append(True)
        for kind in ("same", "other", len(struck)):
            log.log(logging.ERROR, "%s", kind)

    before = signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    try:
        while len(struck) < 200:
            log.log(logging.ERROR, "%s", "same")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert {str(number) for number in range(1, len(struck) + 1)} <= set(handler.lines)


def test_a_signal_handler_may_raise(logger):
    log = RateLimitedLog(logger, interval=0.0)
    handler = Handler(lambda _: signal.raise_signal(signal.SIGALRM))

    def raise_up(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, raise_up)
    logger.addHandler(handler)
    try:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                log.log(logging.ERROR, "line")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert handler.lines == ["line", "line"]


def test_threads_may_log_at_once(logger):
    log = RateLimitedLog(logger, interval=60.0)
    handler = Handler()
    logger.addHandler(handler)

    def work():
        for number in range(2_000):
            log.log(logging.ERROR, "%s", number % 10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    # A line may be repeated by threads that meet, not by every round.
    assert 10 <= len(handler.lines) <= 10 * len(threads)


@pytest.mark.parametrize("shown", [True, False])
def test_a_handler_that_raises_is_told_of_as_logging_does(logger, monkeypatch, capsys, shown):
    def fail(_):
        raise RuntimeError("no disk for the log")

    monkeypatch.setattr(logging, "raiseExceptions", shown)
    logger.addHandler(Handler(fail))
    RateLimitedLog(logger).log(logging.ERROR, "line")
    assert ("no disk for the log" in capsys.readouterr().err) is shown


def test_an_argument_that_has_no_text_is_no_matter(logger, capsys):
    class MuteError(Exception):
        def __str__(self):
            raise ValueError("no words")

    RateLimitedLog(logger).log(logging.ERROR, "%s", MuteError())
    assert "no words" in capsys.readouterr().err


def test_what_is_remembered_is_bounded(logger):
    log = RateLimitedLog(logger)
    handler = Handler()
    logger.addHandler(handler)
    for number in range(5_000):
        log.log(logging.ERROR, "tenant %s", number)
        assert len(log._kinds) <= 1_000
    assert len(handler.lines) == 5_000


def test_lines_for_later_wait_until_somebody_speaks(caplog):
    log = RateLimitedLog()
    log.later(logging.WARNING, "%s first", "the")
    log.later(logging.WARNING, "%s second", "the")
    assert caplog.messages == []
    log.speak()
    log.speak()
    assert caplog.messages == ["the first", "the second"]


def test_lines_for_later_are_bounded(caplog):
    log = RateLimitedLog()
    for number in range(20_000):
        log.later(logging.WARNING, f"line {number}")
    log.speak()
    assert len(caplog.messages) == 10_000
    assert caplog.messages[-1] == "line 19999"
