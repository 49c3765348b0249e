"""From a drawing to the bytes of a PNG, in strips: none of it is in memory as a whole.

A strip is drawn, filtered and compressed by itself, so that strips go to as many threads as there are, and what was
drawn is still in the processor's cache when it is compressed. Each begins with a row that does not look at the one
above, and ends on a byte (deflate's sync flush), so that strips one after another are one stream.
"""

import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from bgzero_daemon.core.checksums import Compressor, adler32, joined_adler32, quick_compressor, thorough_compressor
from bgzero_daemon.core.recipe import Png
from bgzero_daemon.photo.chunks import before_pixels, chunk
from bgzero_daemon.photo.picture import U8, Photo
from bgzero_daemon.photo.png import SIGNATURE
from bgzero_daemon.photo.rowfilter import filtered

_STRIP_BYTES = {Png.FAST: 1 << 21, Png.BALANCED: 1 << 21, Png.SMALL: 1 << 19}
"""Bytes of pixels in a strip: it stays near the core. Of smaller ones threads wait for the interpreter too often, of
larger ones numpy gets each array anew from the system. Where a strip takes long, more of them are shared out better."""

_STREAM_HEAD = b"\x78\x01"  # RFC 1950: deflate, a window of 32 kB
_STREAM_END = b"\x03\x00"  # RFC 1951: a last block that holds nothing
_IDAT_BYTES = 1 << 16
_NO_ADLER = 1


class Drawing(Protocol):
    """What is encoded."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB, 4 for RGBA."""

    @property
    def depth(self) -> int:
        """Bits of a channel: 8 or 16."""

    def columns(self, rows: slice) -> slice:
        """Return between which columns anything of these rows is not zero."""

    def draw(self, rows: slice, columns: slice) -> U8:
        """Return (rows, columns, bytes of a pixel), the higher byte first. Many threads call it at once."""


class Hands(Protocol):
    """Whoever does work in pieces: `worker.threads`."""

    def in_order(self, work: "Callable[[int], _Strip]", pieces: Sequence[int]) -> "Iterator[_Strip]":
        """Yield what `work` makes of each piece, in their order. Raises what it raises."""


@dataclass(frozen=True, slots=True)
class _Strip:
    """A finished strip: its part of the stream, checksum and length of what it holds, CPU seconds of compressing it."""

    deflated: bytes
    adler: int
    length: int
    seconds: float


def encode(
    drawing: Drawing, photo: Photo, *, exif: bytes, xmp: bytes = b"", tag: Mapping[str, object], png: Png, hands: Hands,
    on_deflated: Callable[[float], None] = lambda _seconds: None,
) -> Iterator[bytes]:  # fmt: skip
    """Yield a PNG of the drawing, piece by piece, with the photo's profile and resolution.

    `exif` and `xmp` are finished blocks or b""; `tag` goes into an iTXt chunk as JSON and says what made the
    file. The same arguments give the same bytes, whosever `hands` make it. `on_deflated` is told, strip by strip, the
    seconds of CPU time that compressing took.
    """
    head = before_pixels(drawing.size, drawing.channels, drawing.depth, photo, exif=exif, xmp=xmp, tag=tag)
    yield b"".join((SIGNATURE, *head))
    yield from _idat(_stream(drawing, png, hands, on_deflated))
    yield chunk(b"IEND")


def _idat(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Pack a stream into chunks of a sensible length."""
    held: list[bytes] = []
    for piece in stream:
        held.append(piece)
        if sum(map(len, held)) >= _IDAT_BYTES:
            yield chunk(b"IDAT", *held)
            held.clear()
    yield chunk(b"IDAT", *held)


def _stream(drawing: Drawing, png: Png, hands: Hands, on_deflated: Callable[[float], None]) -> Iterator[bytes]:
    """Yield the zlib stream of all rows."""
    width, height = drawing.size
    rows = max(1, _STRIP_BYTES[png] // (width * _pixel_bytes(drawing)))

    def strip(top: int) -> _Strip:
        return _strip(drawing, slice(top, min(top + rows, height)), png)

    yield _STREAM_HEAD
    adler = _NO_ADLER
    for one in hands.in_order(strip, range(0, height, rows)):
        adler = joined_adler32(adler, one.adler, one.length)
        on_deflated(one.seconds)
        yield one.deflated
    yield _STREAM_END + struct.pack(">I", adler)


def _strip(drawing: Drawing, rows: slice, png: Png) -> _Strip:
    width, step, count = drawing.size[0], _pixel_bytes(drawing), rows.stop - rows.start
    columns = drawing.columns(rows)
    if columns.start == columns.stop:
        return replace(_empty(count * (1 + width * step), png), seconds=0.0)
    pixels = drawing.draw(rows, columns).reshape(count, -1)
    return _deflated(filtered(pixels, step, png, before=columns.start * step, width=width * step), png)


def _pixel_bytes(drawing: Drawing) -> int:
    return drawing.channels * drawing.depth // 8


@lru_cache(maxsize=8)
def _empty(length: int, png: Png) -> _Strip:
    """Return a strip in which nothing can be seen: zeros, and "no filter" is a zero too."""
    return _deflated(np.zeros(length, np.uint8), png)


def _deflated(content: U8, png: Png) -> _Strip:
    began, compressor = time.thread_time(), _compressor(png)
    deflated = compressor.compress(content.data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    seconds = time.thread_time() - began
    return _Strip(deflated, adler32(content.data), content.size, seconds)


def _compressor(png: Png) -> Compressor:
    match png:
        case Png.FAST:
            return quick_compressor(1)
        case Png.BALANCED:
            return quick_compressor(2)
        case Png.SMALL:
            return thorough_compressor(9)
