"""Which photos of a card were imported: also where its clock seems to have been put forward or back.

FAT keeps local times. In another time zone, or in winter, all of a card's photos have other times than before, and
all of them by the same amount.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from bgzero_daemon.cards.memory import Key
from bgzero_daemon.cards.source import Found

_ZONE_STEP_SECONDS = 900  # zones lie whole quarters of an hour apart,
_MOST_SECONDS = 26 * 3600  # from -12 to +14 hours


class Seen:
    """What of a card's `photos` is among the `keys` that are remembered of it."""

    def __init__(self, keys: Collection[Key], photos: Sequence[Found]) -> None:
        """Find out by how much the card's times have been shifted, where they have."""
        self._keys = set(keys)
        moments: dict[tuple[str, int], list[int]] = {}
        for path, size_bytes, moment in keys:
            moments.setdefault((path, size_bytes), []).append(moment)
        shifts = Counter(
            shift
            for found in photos
            if not self._has(found, 0)
            for moment in moments.get((found.path, found.size_bytes), ())
            if _is_of_zones(shift := found.moment - moment)
        )
        self._shift = shifts.most_common(1)[0][0] if shifts else 0

    def __contains__(self, found: Found) -> bool:
        return self._has(found, 0) or self._has(found, self._shift)

    def _has(self, found: Found, shift: int) -> bool:
        return (found.path, found.size_bytes, found.moment - shift) in self._keys


def _is_of_zones(seconds: int) -> bool:
    return abs(seconds) <= _MOST_SECONDS and seconds % _ZONE_STEP_SECONDS == 0
