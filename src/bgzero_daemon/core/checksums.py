"""Checksums and deflate at the speed of the machine: Intel's ISA-L where its package is installed, else zlib.

Both give the same checksums, and streams that any inflate reads. ISA-L's levels 1 and 2 are several times as fast as
zlib's level 1 at a few percent more bytes (figures: docs/speed.md).
"""

import zlib
from typing import Protocol

try:
    from isal import isal_zlib
except ImportError:  # no wheel for this machine: everything works, more slowly
    isal_zlib = None  # type: ignore[assignment,unused-ignore]

_RAW = -15
"""A bare stream of deflate with a window of 32 kB (zlib's manual, deflateInit2)."""

_ADLER = 65521  # the largest prime below 65,536


class Compressor(Protocol):
    """zlib's and ISA-L's objects."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """Take bytes and return what is ready."""

    def flush(self, mode: int = ..., /) -> bytes:
        """Return what was held back."""


if isal_zlib:
    crc32, adler32 = isal_zlib.crc32, isal_zlib.adler32
else:
    crc32, adler32 = zlib.crc32, zlib.adler32


def quick_compressor(level: int) -> Compressor:
    """Return a compressor of a bare stream, made for speed; `level` is 1 or 2."""
    return isal_zlib.compressobj(level, zlib.DEFLATED, _RAW, 9) if isal_zlib else thorough_compressor(level)


def thorough_compressor(level: int) -> Compressor:
    """Return a compressor of a bare stream that takes zlib's time; `level` is 1 to 9."""
    return zlib.compressobj(level, zlib.DEFLATED, _RAW, 9)


def joined_adler32(first: int, second: int, second_bytes: int) -> int:
    """Return the Adler-32 of two pieces from those of each (RFC 1950, section 8.2; zlib's `adler32_combine`)."""
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + second_bytes * ((first & 0xFFFF) - 1)
    return high % _ADLER << 16 | low % _ADLER
