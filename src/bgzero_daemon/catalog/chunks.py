"""Weights in pieces: IMG.LY's form, as its npm packages and its server have it.

A JSON file maps keys to {"size": BYTES, "chunks": [{"hash": SHA-256, "offsets": [FROM, TO]}, ...]}; each piece is a
file beside it, called by its hash ("name" in later versions).
"""

import json
import re
from typing import NamedTuple

from bgzero_daemon.core.texts import _

MANIFEST = "resources.json"
LARGEST_MANIFEST_BYTES = 4_000_000
_NAME = re.compile(r"[0-9a-f]{64}")


class Chunk(NamedTuple):
    """The bytes from `start` to `end`; `sha256` is their hash, and their file's name."""

    sha256: str
    start: int
    end: int


def read_manifest(text: bytes, key: str) -> list[Chunk]:
    """Return the pieces of an entry in their order, without a gap. Raises ValueError with a sentence."""
    try:
        told = json.loads(text)
        entry = told[key]
        chunks = [_chunk(one) for one in entry["chunks"]]
        size = entry["size"]
    except KeyError as error:
        raise ValueError(_("it has no {key}").format(key=error.args[0])) from None
    except (ValueError, TypeError, IndexError, AttributeError, RecursionError):
        raise ValueError(_("it is no list of pieces")) from None
    at = 0
    for chunk in sorted(chunks, key=lambda one: one.start):
        if chunk.start != at or chunk.end <= at:
            raise ValueError(_("its pieces do not join at byte {at}").format(at=at))
        at = chunk.end
    if at != size or at == 0:
        raise ValueError(_("its pieces make {have} bytes, and it speaks of {size}").format(have=at, size=size))
    return sorted(chunks, key=lambda one: one.start)


def _chunk(told: dict[str, object]) -> Chunk:
    name, offsets = told.get("hash") or told["name"], told["offsets"]
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(offsets, list):
        raise TypeError(name)
    start, end = offsets
    if type(start) is not int or type(end) is not int:
        raise TypeError(start)
    return Chunk(name, start, end)
