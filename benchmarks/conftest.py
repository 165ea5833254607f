"""Quiet measurements: one CPU where the system lets us choose, and no garbage collection."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_ALL_CPUS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


@pytest.fixture(autouse=True)
def quiet(request: pytest.FixtureRequest) -> Iterator[None]:
    """Pin the process (not where threads are measured) and freeze the garbage collector."""
    pin = _ALL_CPUS is not None and "threads" not in request.keywords
    if pin:
        os.sched_setaffinity(0, {max(_ALL_CPUS)})
    with _frozen():
        yield
    if pin:
        os.sched_setaffinity(0, _ALL_CPUS)


@contextmanager
def _frozen() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "threads: runs on all CPUs")
