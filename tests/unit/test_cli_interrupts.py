"""A Ctrl-C that Python swallows in a callback ends the command all the same."""

import subprocess
import sys

from tests.support.interrupts import hear_ctrl_c

SWALLOWED = """
import time, weakref
from atomwire.cli.interrupts import keep_interrupts

class Thing: pass

def interrupted(_):
    raise KeyboardInterrupt

keep_interrupts()
thing = Thing()
watch = weakref.ref(thing, interrupted)
try:
    del thing
    time.sleep(30)
except KeyboardInterrupt:
    print("heard")
"""


def test_an_interrupt_in_a_callback_is_delivered_again():
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=hear_ctrl_c,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("heard\n", "", 0)


def test_other_unraisable_errors_are_reported_as_ever():
    other = SWALLOWED.replace("raise KeyboardInterrupt", "1 / 0").replace("sleep(30)", "sleep(0)")
    done = subprocess.run(
        [sys.executable, "-c", other], capture_output=True, text=True, check=False
    )
    assert "ZeroDivisionError" in done.stderr
    assert done.stdout == ""
