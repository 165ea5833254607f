"""Metadata answers that name no broker, as those of a broker that its controller has fenced."""

from __future__ import annotations

from collections.abc import Iterator

_METADATA = 3
# From this version on, arrays and texts are "compact" and there are tagged fields (KIP-482).
_FLEXIBLE = 9
_THROTTLE = 4


class BrokerHider:
    """Sees one connection's requests and answers, and takes the brokers out of the latter."""

    def __init__(self) -> None:
        self._requests = _Frames()
        self._answers = _Frames()
        self._asked: set[bytes] = set()

    def request(self, chunk: bytes) -> bytes:
        """Remember which answers will be metadata."""
        for frame in self._requests.of(chunk):
            if int.from_bytes(frame[:2], "big") == _METADATA:
                assert int.from_bytes(frame[2:4], "big") >= _FLEXIBLE
                self._asked.add(frame[4:8])
        return chunk

    def answer(self, chunk: bytes, hiding: bool) -> bytes:
        """Return the whole answers that have come."""
        return b"".join(map(_framed, (self._changed(f, hiding) for f in self._answers.of(chunk))))

    def _changed(self, frame: bytes, hiding: bool) -> bytes:
        correlation = frame[:4]
        if correlation not in self._asked:
            return frame
        self._asked.remove(correlation)
        return _without_brokers(frame) if hiding else frame


class _Frames:
    def __init__(self) -> None:
        self._rest = b""

    def of(self, chunk: bytes) -> Iterator[bytes]:
        self._rest += chunk
        while len(self._rest) >= 4:
            end = 4 + int.from_bytes(self._rest[:4], "big")
            if len(self._rest) < end:
                return
            frame, self._rest = self._rest[4:end], self._rest[end:]
            yield frame


def _framed(frame: bytes) -> bytes:
    return len(frame).to_bytes(4, "big") + frame


def _without_brokers(frame: bytes) -> bytes:
    # https://kafka.apache.org/protocol#The_Messages_Metadata
    start = _after_tags(frame, 4) + _THROTTLE
    count, place = _number(frame, start)
    for _ in range(count - 1):
        place = _after_text(frame, place + 4)  # id, host
        place = _after_text(frame, place + 4)  # port, rack
        place = _after_tags(frame, place)
    return frame[:start] + b"\x01" + frame[place:]


def _number(frame: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (frame[place] & 0x7F) << shift
        shift += 7
        place += 1
        if frame[place - 1] < 0x80:
            return value, place


def _after_text(frame: bytes, place: int) -> int:
    size, place = _number(frame, place)
    return place + max(size - 1, 0)


def _after_tags(frame: bytes, place: int) -> int:
    count, place = _number(frame, place)
    assert count == 0, "a tagged field"
    return place
