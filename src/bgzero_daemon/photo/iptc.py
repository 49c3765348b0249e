"""What a photo's IPTC block says, where there is one: in Photoshop's resources, for which a PNG has no place.

IPTC-NAA Information Interchange Model 4.2, chapters 1 and 3; Adobe Photoshop file formats, "Image resources".
"""

import struct
from collections.abc import Iterator

MOST_BYTES = 1 << 20
RESOURCE = 0x0404
"""The number of Photoshop's resource that holds the block."""

_MOST_DATASETS, _MOST_RESOURCES = 4000, 1000
_UTF8 = b"\x1b%G"
_NAMES = {
    25: "dc:subject", 55: "photoshop:DateCreated", 80: "dc:creator", 90: "photoshop:City",
    92: "Iptc4xmpCore:Location", 95: "photoshop:State", 100: "Iptc4xmpCore:CountryCode", 101: "photoshop:Country",
    116: "dc:rights", 120: "dc:description",
}  # fmt: skip


def in_resources(resources: bytes) -> bytes:
    """Return the IPTC block in a run of Photoshop's image resources, b"" without."""
    at = 0
    for _resource in range(_MOST_RESOURCES):
        if resources[at : at + 4] != b"8BIM" or at + 7 > len(resources):
            break
        (number,) = struct.unpack_from(">H", resources, at + 4)
        name_bytes = resources[at + 6] + 1
        at += 6 + name_bytes + name_bytes % 2
        if at + 4 > len(resources):
            break
        (length,) = struct.unpack_from(">I", resources, at)
        if number == RESOURCE:
            return resources[at + 4 : at + 4 + length]
        at += 4 + length + length % 2
    return b""


def read(block: bytes) -> dict[str, list[str]]:
    """Return what of an IPTC block has a place in XMP, by the name that it has there. Whatever is broken ends it."""
    found: dict[str, list[str]] = {}
    is_utf8 = False
    for record, number, value in _datasets(block[:MOST_BYTES]):
        if (record, number) == (1, 90):
            is_utf8 = value == _UTF8
        elif record == 2 and number in _NAMES and value:
            found.setdefault(_NAMES[number], []).append(_text(value, is_utf8=is_utf8))
    if day := found.get("photoshop:DateCreated"):  # CCYYMMDD
        found["photoshop:DateCreated"] = [f"{day[0][:4]}-{day[0][4:6]}-{day[0][6:]}"]
    return found


def _datasets(block: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield record, number and value of each."""
    at = 0
    for _dataset in range(_MOST_DATASETS):
        if at + 5 > len(block) or block[at] != 0x1C:
            return
        record, number, length = struct.unpack_from(">BBH", block, at + 1)
        at += 5
        if length > 0x7FFF or at + length > len(block):  # lengths of more than two bytes are for pictures
            return
        yield record, number, block[at : at + length]
        at += length


def _text(value: bytes, *, is_utf8: bool) -> str:
    """Return a text. Many programs write UTF-8 and do not say so."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode(errors="replace") if is_utf8 else value.decode("cp1252", errors="replace")
