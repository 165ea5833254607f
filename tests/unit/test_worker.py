"""The bus's threads begin when they are needed, and once."""

import threading

import pytest

from atomwire.bus.publish.worker import Worker
from tests.support.bus import PATIENCE


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
