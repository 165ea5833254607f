"""Signal handlers that raise, at one line of the bus after the other."""

import itertools
import sys


class Raised(BaseException):
    """What a signal handler raises."""


def interrupted_at_every_line(call) -> None:
    """Make a call again and again, and raise one line of the bus later each time."""
    for moment in itertools.count(1):
        lines = 0

        def trace(frame, kind, _, moment=moment):
            nonlocal lines
            if "/bus/" not in frame.f_code.co_filename:
                return None
            lines += 1
            if lines == moment:
                raise Raised
            return trace

        sys.settrace(trace)
        try:
            call()
        except Raised:
            pass
        finally:
            sys.settrace(None)
        if lines < moment:
            return
