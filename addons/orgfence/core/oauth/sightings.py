"""Whether something was seen before: in a fixed room, and never wrongly denied.

Two sign-ins that carry the same state cannot be told apart, and that must not be forgotten when the first of them
has been answered, or has lost its place to others. Remembering each state would take any amount of memory. A Bloom
filter takes the same always, and errs to one side only: under a flood it calls what is new seen, so that less is
attributed, and nothing wrongly.
"""

# Login pages are left open over lunch and over night; no issuer takes an answer on one a day later.
REMEMBERED = 24 * 3600.0

# 512 KiB a generation: of 30,000 sign-ins in a day one in 10**6 is taken for seen, of 300,000 one in 250.
_BITS = 2**22
_PLACE_BYTES = 4


class Sightings:
    """What was seen within the last day; of the day before, some is remembered too."""

    __slots__ = ("_bits", "_previous", "_since")

    def __init__(self) -> None:
        """Have seen nothing."""
        self._since = float("-inf")
        self._bits = self._previous = bytearray(_BITS // 8)

    def first(self, key: bytes, now: float) -> bool:
        """See a key, the uniform digest of what is meant, and return whether it is the first time."""
        seen = self.seen(key, now)
        for place in _places(key):
            self._bits[place >> 3] |= 1 << (place & 7)
        return not seen

    def seen(self, key: bytes, now: float) -> bool:
        """Return whether a key was seen."""
        if now - self._since >= REMEMBERED:
            self._previous, self._bits, self._since = self._bits, bytearray(_BITS // 8), now
        places = _places(key)
        return any(
            all(bits[place >> 3] & 1 << (place & 7) for place in places) for bits in (self._bits, self._previous)
        )


def _places(key: bytes) -> list[int]:
    """Return the bits that stand for a key."""
    parts = (key[start : start + _PLACE_BYTES] for start in range(0, len(key), _PLACE_BYTES))
    return [int.from_bytes(part) % _BITS for part in parts]
