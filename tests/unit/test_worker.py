"""The bus's threads begin when they are needed, and once."""

import threading

import pytest

from atomwire.bus.publish.worker import Gate, Worker
from tests.support.bus import PATIENCE, eventually


def test_many_ask_at_a_time_and_it_begins_once():
    begun = []
    worker = Worker(lambda: begun.append(threading.current_thread().name), "a-worker")
    gate = threading.Barrier(8)

    def ask():
        gate.wait(PATIENCE)
        worker.begin()

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    worker.begin()
    assert worker.join(PATIENCE)
    assert begun == ["a-worker"]


def test_it_need_not_have_begun():
    assert Worker(lambda: None, "a-worker").join(PATIENCE)


def test_no_thread_to_be_had_is_told_and_tried_again(monkeypatch):
    begun = threading.Event()
    worker = Worker(begun.set, "a-worker")

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            worker.begin()
    assert not begun.is_set()
    worker.begin()
    assert begun.wait(PATIENCE)


def test_it_begins_though_the_one_who_asked_first_was_interrupted(monkeypatch):
    """As by a signal handler that asks as well, and waits for what the worker does."""
    begun = threading.Event()
    worker = Worker(begun.set, "a-worker")
    start = threading.Thread.start

    def interrupted(thread):
        monkeypatch.setattr(threading.Thread, "start", start)
        worker.begin()
        assert begun.wait(PATIENCE)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    worker.begin()
    assert worker.join(PATIENCE)


def test_it_does_not_begin_once_it_was_waited_for():
    done = []
    worker = Worker(lambda: done.append(1), "a-worker")
    assert worker.join(PATIENCE)
    worker.begin()
    worker.run_here()
    assert done == []


def test_it_knows_itself_from_its_first_step_on():
    known = []
    worker = Worker(lambda: known.append(worker.is_current() and worker.join(0)), "a-worker")
    worker.begin()
    assert not worker.is_current()
    assert eventually(lambda: known == [True])


def test_a_gate_opens_for_all_who_wait():
    gate = Gate()
    assert not gate.wait(0.01)
    passed = []
    waiting = [
        threading.Thread(target=lambda: passed.append(gate.wait(PATIENCE))) for _ in range(4)
    ]
    for each in waiting:
        each.start()
    gate.open()
    gate.open()
    for each in waiting:
        each.join(PATIENCE)
    assert passed == [True] * 4
    assert gate
