"""What stands for 'not set' beside None. pandas is known by name, and never imported."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_missing(value: Any) -> bool:
    """Tell whether a value is None or pandas' NA."""
    return value is None or _is_of_pandas(type(value), "NAType")


def is_nat(value: Any) -> bool:
    """Tell whether a value is NaT, numpy's or pandas'."""
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return _is_of_pandas(type(value), "NaTType")


def _is_of_pandas(kind: type, name: str) -> bool:
    return kind.__name__ == name and kind.__module__.partition(".")[0] == "pandas"


def plain(given: Any) -> Any:
    """Return an array of a dtype that pandas alone has as one of numpy's; all else as it is."""
    dtype = getattr(given, "dtype", None)
    if dtype is None or isinstance(dtype, np.dtype) or not hasattr(given, "isna"):
        return given
    if getattr(dtype, "tz", None) is not None and hasattr(dtype, "unit"):
        return np.asarray(given, f"datetime64[{dtype.unit}]")  # in UTC
    stored = getattr(dtype, "numpy_dtype", None)
    if isinstance(stored, np.dtype) and stored.kind in "biuf":
        values = given.to_numpy(stored, na_value=stored.type(0))
        return np.ma.MaskedArray(values, np.asarray(given.isna()))
    return given.to_numpy(object, na_value=None)
