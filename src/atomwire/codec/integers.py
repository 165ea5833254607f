"""What counts as an integer."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

__all__ = ["is_integer"]


def is_integer(each: Any) -> TypeGuard[int | np.integer[Any]]:
    """Tell whether `each` is an integer of Python or numpy.

    numpy's durations are integers by their class, and no integers to anybody else.
    """
    return isinstance(each, int | np.integer) and not isinstance(each, np.timedelta64)
