"""Where coroutines stand in for threads a bus says so, and hangs nowhere."""

import importlib.util

import pytest

from tests.support.bus import read
from tests.support.programs import run

PATCHED = {
    "gevent": ("gevent.monkey.patch_all()", "gevent.monkey.patch_all(thread=False)"),
    "eventlet": ("eventlet.monkey_patch()", "eventlet.monkey_patch(thread=False)"),
}
USE = """
import sys
from atomwire import encode
from atomwire.bus import BusError, EventBus
with EventBus(sys.argv[1], "cells") as bus:
    for _ in range(10):
        bus.publish(encode("acme", type=4))
    assert bus.submit(encode("acme", type=4)).result(20).offset is not None
    assert bus.flush(20) == 0
"""
REFUSED = """
import sys
from atomwire.bus import BusError, EventBus
try:
    EventBus(sys.argv[1], "cells")
except BusError as error:
    print(error)
"""


def patch(library: str, statement: str) -> str:
    # Not imported here: they change the process of the tests.
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    module = "gevent.monkey" if library == "gevent" else library
    # Libraries of this kind warn of their own age.
    return f"import warnings\nwarnings.simplefilter('ignore')\nimport {module}\n{statement}\n"


@pytest.mark.parametrize("library", PATCHED)
def test_threads_that_are_coroutines_are_refused(library):
    told = run(patch(library, PATCHED[library][0]) + REFUSED, "localhost:1")
    assert "threads of this process are not real ones" in told
    assert library in told


@pytest.mark.parametrize("library", PATCHED)
def test_real_threads_beside_coroutines_are_fine(embedded_broker, library):
    run(patch(library, PATCHED[library][1]) + USE, embedded_broker.bootstrap_servers)
    read(embedded_broker, 11)
