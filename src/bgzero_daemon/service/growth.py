"""Has a worker grown? Judged by the least memory it had over many photos, so that large ones do not count."""

from dataclasses import dataclass

_PHOTOS = 50
_FACTOR, _MORE_BYTES = 1.5, 100_000_000


@dataclass(slots=True)
class Growth:
    """Compares each window of photos with the first one."""

    _first: int = 0
    _least: int = 0
    _count: int = 0

    def note(self, resident_bytes: int) -> bool:
        """Count a photo that is finished, with the worker's memory then. Returns True where it has grown."""
        self._least = min(self._least, resident_bytes) if self._count else resident_bytes
        self._count += 1
        if self._count < _PHOTOS:
            return False
        self._count = 0
        if not self._first:
            self._first = self._least
            return False
        return self._least > self._first * _FACTOR + _MORE_BYTES
