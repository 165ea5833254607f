"""What kind of change an event carries."""

from __future__ import annotations

from enum import IntEnum

from atomwire import _native


class EventType(IntEnum):
    """The type of an event, with the values of the compiled schema.

    A number that this version does not know (a newer writer's) becomes a member of its own,
    named ``TYPE_<number>``, so that it can be compared, logged and passed on.
    """

    UNKNOWN = _native.EVENT_TYPE_UNKNOWN
    MOLECULE_WRITE = _native.EVENT_TYPE_MOLECULE_WRITE
    CALC_REQUEST = _native.EVENT_TYPE_CALC_REQUEST
    SCHEMA_CHANGE = _native.EVENT_TYPE_SCHEMA_CHANGE
    HEARTBEAT = _native.EVENT_TYPE_HEARTBEAT

    @classmethod
    def _missing_(cls, value: object) -> EventType | None:
        if not isinstance(value, int) or not -128 <= value <= 127:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"TYPE_{value}"
        member._value_ = value
        return member

    def __reduce_ex__(self, protocol: object) -> tuple[type[EventType], tuple[int]]:
        """Pickle by number: members made for unknown ones have no name in the class."""
        return type(self), (int(self),)
