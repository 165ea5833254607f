"""What a value of a setting may be, and how it is written in an environment variable."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from atomwire.bus.errors import SettingsError

__all__ = ["Flag", "Number", "OneOf", "Optional", "Place", "Properties", "Rule", "Secret"]

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


class Rule(Protocol):
    """Guards one setting."""

    def check(self, name: str, value: object) -> None:
        """Raise `SettingsError` unless `value` is allowed."""

    def parse(self, name: str, text: str) -> object:
        """Read a value from text; it is checked afterwards."""


@dataclass(frozen=True)
class OneOf:
    """One of a few words."""

    allowed: tuple[str, ...]

    def check(self, name: str, value: object) -> None:
        """Raise `SettingsError` unless `value` is allowed."""
        if value not in self.allowed:
            raise SettingsError(f"{name}={value!r}: allowed are {', '.join(self.allowed)}")

    def parse(self, name: str, text: str) -> object:
        """Return the word itself."""
        return text


@dataclass(frozen=True)
class Number:
    """A number within bounds, both included."""

    low: float
    high: float
    whole: bool = True

    def check(self, name: str, value: object) -> None:
        """Raise `SettingsError` unless `value` is allowed."""
        kinds = int if self.whole else (int, float)
        # bool is an int to isinstance, and linger_ms=True is a mistake.
        right_kind = isinstance(value, kinds) and not isinstance(value, bool)
        if not right_kind or not self.low <= value <= self.high:  # type: ignore[operator]
            raise self._error(name, value)

    def parse(self, name: str, text: str) -> object:
        """Read a number."""
        try:
            number = int(text) if self.whole else float(text)
        except ValueError:
            raise self._error(name, text) from None
        if not math.isfinite(number):
            raise self._error(name, text)
        return number

    def _error(self, name: str, value: object) -> SettingsError:
        kind = "a whole number" if self.whole else "a number"
        return SettingsError(f"{name}={value!r}: must be {kind} from {self.low:,} to {self.high:,}")


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def check(self, name: str, value: object) -> None:
        """Raise `SettingsError` unless `value` is allowed."""
        if not isinstance(value, bool):
            raise SettingsError(f"{name}={value!r}: must be True or False")

    def parse(self, name: str, text: str) -> object:
        """Read yes or no, in one of the usual words."""
        word = text.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise SettingsError(f"{name}={text!r}: allowed are {', '.join(_TRUE + _FALSE)}")


@dataclass(frozen=True)
class Place:
    """A path."""

    def check(self, name: str, value: object) -> None:
        """Raise `SettingsError` unless `value` is allowed."""
        if not isinstance(value, str | os.PathLike) or not str(value) or "\0" in str(value):
            raise SettingsError(f"{name}={value!r}: must be a path")

    def parse(self, name: str, text: str) -> object:
        """Return the path itself."""
        return text


@dataclass(frozen=True)
class Secret:
    """A text that is never shown."""

    def check(self, name: str, value: object) -> None:
        """Raise `SettingsError` unless `value` is allowed."""
        if not isinstance(value, str) or not value or not _is_c_text(value):
            raise SettingsError(
                f"{name}: must be a text that is not empty, in UTF-8 and without NUL"
            )

    def parse(self, name: str, text: str) -> object:
        """Return the text itself."""
        return text


@dataclass(frozen=True)
class Optional:
    """None, or what another rule allows."""

    rule: Rule

    def check(self, name: str, value: object) -> None:
        """Raise `SettingsError` unless `value` is allowed."""
        if value is not None:
            self.rule.check(name, value)

    def parse(self, name: str, text: str) -> object:
        """Read a value; in text it is never None."""
        return self.rule.parse(name, text)


@dataclass(frozen=True)
class Properties:
    """Properties for librdkafka, by their names there. Values may be secrets: none is shown."""

    reserved: Mapping[str, str]

    def check(self, name: str, value: object) -> None:
        """Raise `SettingsError` unless `value` is allowed."""
        if not isinstance(value, Mapping):
            raise SettingsError(f"{name}: must map property names to values")
        for key, item in value.items():
            if not isinstance(key, str) or not isinstance(item, str | int | float | bool):
                raise SettingsError(f"{name}[{key!r}]: must be a string, a number or a boolean")
            if key in self.reserved:
                raise SettingsError(f"{name}[{key!r}]: {self.reserved[key]}")
            if not _is_c_text(key) or (isinstance(item, str) and not _is_c_text(item)):
                raise SettingsError(f"{name}[{key!r}]: must be text in UTF-8 and without NUL")

    def parse(self, name: str, text: str) -> object:
        """Read a JSON object."""
        try:
            return json.loads(text)
        except ValueError:
            raise SettingsError(
                f'{name}: must be a JSON object, such as {{"client.rack": "a"}}'
            ) from None


def _is_c_text(text: str) -> bool:
    """Whether C can read `text`: it ends at a NUL, and a lone surrogate has no UTF-8."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
