"""XMP: reading the few properties that may pass out of a stranger's packet, and writing a packet of them anew.

ISO 16684-1 (XMP part 1): RDF in XML. The reader is expat, which the standard library brings: it follows elements and
nothing else. A document type ends the reading at once, so there are no entities to grow and none to fetch; XMP has
none of its own. Elements, depth and bytes are bounded, and a packet that is not well-formed says nothing.
"""

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from xml.parsers import expat

from bgzero_daemon.photo import words

MOST_BYTES = 4 << 20
_MOST_ELEMENTS = 20_000
_MOST_ATTRIBUTES = 2_000
_DEEPEST = 32
_MOST_VALUES = 256
_MOST_WORD, _MOST_PROSE = 256, 8000  # characters

Properties = Mapping[str, Sequence[str]]
"""Values by the name that their property has here ("dc:subject"), in their order; never an empty list."""


class _Shape(Enum):
    """How RDF holds the values of a property; the word is the container's name."""

    TEXT = ""
    BAG = "Bag"
    SEQ = "Seq"
    ALT = "Alt"


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a property has to be. `clean` makes a value fit, or "" of one that is not what it should be."""

    shape: _Shape
    clean: Callable[[str], str]


def _word(value: str) -> str:
    return words.line(value, _MOST_WORD)


def _prose(value: str) -> str:
    return words.prose(value, _MOST_PROSE)


def _matching(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: value.strip() if compiled.fullmatch(value.strip()) else ""


def _identifier(value: str) -> str:
    """Take an identifier, but for one that is made of a clock and of a network card's address (RFC 9562, version 1)."""
    number = re.split("[.:]", value)[-1]
    digits = re.sub("[^0-9A-Fa-f]", "", number)
    # Adobe's programs write the bytes of the first three numbers turned, then without hyphens
    has_address = len(digits) == 32 and (digits[12] == "1" or ("-" not in number and digits[14] == "1"))
    return "" if has_address else _matching(r"[\w.:-]{8,128}")(value)


_WORD, _PROSE = _Rule(_Shape.TEXT, _word), _Rule(_Shape.ALT, _prose)
# ISO 8601 as XMP has it: a year at least, then as much as is known
_DATE = _Rule(
    _Shape.TEXT,
    _matching(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?)?"),
)
_ID = _Rule(_Shape.TEXT, _identifier)
_DEGREES = _Rule(_Shape.TEXT, _matching(r"\d{1,3},\d{1,2}(,\d{1,2}|\.\d{1,12})[NSEW]"))

DOCUMENT, INSTANCE = "xmpMM:DocumentID", "xmpMM:InstanceID"
ABOUT: Final[Mapping[str, _Rule]] = {
    "xmp:Rating": _Rule(_Shape.TEXT, _matching(r"-1(\.0+)?|[0-4](\.\d+)?|5(\.0+)?")),
    "xmp:Label": _WORD,
    "xmp:CreateDate": _DATE,
    "exif:DateTimeOriginal": _DATE,
    "photoshop:DateCreated": _DATE,
    "tiff:Make": _WORD,
    "tiff:Model": _WORD,
    "aux:Lens": _WORD,
    "exifEX:LensModel": _WORD,
    "dc:subject": _Rule(_Shape.BAG, _word),
    "dc:creator": _Rule(_Shape.SEQ, _word),
    "dc:description": _PROSE,
    "dc:rights": _PROSE,
    "xmpRights:Marked": _Rule(_Shape.TEXT, _matching("True|False")),
    "xmpRights:UsageTerms": _PROSE,
    "xmpRights:WebStatement": _WORD,
}
"""What passes in any case."""
PRIVATE: Final[Mapping[str, _Rule]] = {
    "exif:GPSLatitude": _DEGREES,
    "exif:GPSLongitude": _DEGREES,
    "exif:GPSAltitude": _Rule(_Shape.TEXT, _matching(r"\d{1,10}/[1-9]\d{0,9}")),
    "exif:GPSAltitudeRef": _Rule(_Shape.TEXT, _matching("[01]")),
    "photoshop:City": _WORD,
    "photoshop:State": _WORD,
    "photoshop:Country": _WORD,
    "Iptc4xmpCore:CountryCode": _WORD,
    "Iptc4xmpCore:Location": _WORD,
    "aux:SerialNumber": _WORD,
    "aux:LensSerialNumber": _WORD,
    "exifEX:BodySerialNumber": _WORD,
    "exifEX:LensSerialNumber": _WORD,
}
"""Place and serial numbers: what passes on request."""
_ALL: Final[Mapping[str, _Rule]] = {**ABOUT, **PRIVATE, DOCUMENT: _ID, INSTANCE: _ID}

_SPACES: Final[Mapping[str, str]] = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "exifEX": "http://cipa.jp/exif/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "stRef": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
}
_PREFIXES = {uri: prefix for prefix, uri in _SPACES.items()}
_LANGUAGE = "http://www.w3.org/XML/1998/namespace lang"


class _Enough(Exception):
    """There is more of it than any photo has, or something that no photo has."""


def read(packet: bytes) -> dict[str, list[str]]:
    """Return what a packet says of the properties known here. Nothing, where it is no sound XMP."""
    if len(packet) > MOST_BYTES:
        return {}
    reader = _Reader()
    # The encoding is that of the first bytes, never one that the packet names: Python would look for its codec.
    if packet[:2] in (b"\xff\xfe", b"\xfe\xff"):
        parser = expat.ParserCreate("utf-16", " ")
    else:
        packet = packet.removeprefix(b"\xef\xbb\xbf").strip(b"\0 \t\r\n")
        parser = expat.ParserCreate("utf-8", " ")
    parser.ordered_attributes = True
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.take
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(packet, True)
    except (_Enough, expat.ExpatError, ValueError):
        return {}
    return reader.found()


def _refuse(*_declaration: object) -> None:
    raise _Enough


def _short(name: str) -> str:
    """Return "dc:subject" for an expanded name, "" for one of another namespace."""
    uri, _space, local = name.rpartition(" ")
    return f"{_PREFIXES[uri]}:{local}" if uri in _PREFIXES else ""


class _Reader:
    """Follows rdf:RDF / rdf:Description / property / container / rdf:li. What stands elsewhere is not looked at."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._elements = 0
        self._values: dict[str, list[tuple[str, str]]] = {}
        self._text: list[str] = []
        self._language = ""

    def found(self) -> dict[str, list[str]]:
        """Return the values, of a text in several languages the default one's or else the first."""
        found = {}
        for name, values in self._values.items():
            if _ALL[name].shape in (_Shape.BAG, _Shape.SEQ):
                found[name] = [text for _language, text in values]
            else:
                found[name] = [next((text for language, text in values if language == "x-default"), values[0][1])]
        return found

    def start(self, name: str, attributes: list[str]) -> None:
        self._elements += 1
        if self._elements > _MOST_ELEMENTS or len(self._path) >= _DEEPEST or len(attributes) > 2 * _MOST_ATTRIBUTES:
            raise _Enough
        self._path.append(_short(name))
        self._text.clear()
        pairs = dict(zip(attributes[::2], attributes[1::2], strict=True))
        self._language = pairs.get(_LANGUAGE, "")
        match self._inside():
            case ["rdf:Description"]:
                for key, value in pairs.items():
                    self._keep(_short(key), value)
            case ["rdf:Description", prop]:
                self._keep(prop, next((value for key, value in pairs.items() if _short(key) == "rdf:resource"), ""))

    def take(self, text: str) -> None:
        self._text.append(text)

    def end(self, _name: str) -> None:
        match self._inside():
            case ["rdf:Description", prop] | ["rdf:Description", prop, "rdf:Bag" | "rdf:Seq" | "rdf:Alt", "rdf:li"]:
                self._keep(prop, "".join(self._text))
        self._path.pop()
        self._text.clear()  # a property that holds others has no text of its own

    def _inside(self) -> list[str]:
        """Return where this is, from below rdf:RDF; [] outside of it."""
        match self._path:
            case ["rdf:RDF", *rest] | ["x:xmpmeta", "rdf:RDF", *rest]:
                return rest
        return []

    def _keep(self, name: str, value: str) -> None:
        rule = _ALL.get(name)
        if rule and (clean := rule.clean(value)):
            values = self._values.setdefault(name, [])
            if len(values) < _MOST_VALUES:
                values.append((self._language, clean))


def cleaned(properties: Properties) -> dict[str, list[str]]:
    """Return properties that come from elsewhere as if they had been read from a packet."""
    found = {}
    for name, values in properties.items():
        if clean := [one for one in map(_ALL[name].clean, values[:_MOST_VALUES]) if one]:
            found[name] = clean if _ALL[name].shape in (_Shape.BAG, _Shape.SEQ) else clean[:1]
    return found


def write(properties: Properties, document: str, origin: Properties) -> bytes:
    """Return a packet of these properties. `document` is its own identifier; `origin` has those of the photo, if any.

    The same arguments give the same bytes.
    """
    lines = [_property(name, _ALL[name].shape, properties[name]) for name in sorted(properties)]
    lines.append(f"<{DOCUMENT}>{html.escape(document)}</{DOCUMENT}>")
    kinds = {DOCUMENT: "stRef:documentID", INSTANCE: "stRef:instanceID"}
    references = "".join(
        f"<{kind}>{html.escape(origin[name][0])}</{kind}>" for name, kind in kinds.items() if name in origin
    )
    if references:
        lines.append(f'<xmpMM:DerivedFrom rdf:parseType="Resource">{references}</xmpMM:DerivedFrom>')
    used = sorted({prefix for line in lines for prefix in re.findall(r"<(\w+):", line)} - {"rdf", "x"})
    spaces = "".join(f'\n xmlns:{prefix}="{_SPACES[prefix]}"' for prefix in used)
    body = "\n".join(lines)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="{_SPACES["x"]}"><rdf:RDF xmlns:rdf="{_SPACES["rdf"]}">\n'
        f'<rdf:Description rdf:about=""{spaces}>\n{body}\n</rdf:Description>\n'
        '</rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def _property(name: str, shape: _Shape, values: Sequence[str]) -> str:
    texts = [html.escape(value) for value in values]
    if shape is _Shape.TEXT:
        return f"<{name}>{texts[0]}</{name}>"
    language = ' xml:lang="x-default"' if shape is _Shape.ALT else ""
    items = "".join(f"<rdf:li{language}>{text}</rdf:li>" for text in texts)
    return f"<{name}><rdf:{shape.value}>{items}</rdf:{shape.value}></{name}>"
