"""Strangers' XMP and IPTC: what is understood, and what costs nothing and reaches nothing."""

import hashlib
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from bgzero_daemon.core.recipe import Metadata, Product
from bgzero_daemon.photo import iptc, xmp
from bgzero_daemon.photo.metadata import chosen

from .exif import exif_block, rational, short, text
from .handmade import chunk
from .pictures import kept, opened, saved

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
SPACES = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in xmp._SPACES.items() if prefix not in ("x", "rdf"))
ID = "xmp.did:12345678"


def packet(body: str, attributes: str = "", before: str = "") -> bytes:
    """Return a packet with this in its description."""
    return (
        f'{before}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about="" {SPACES} {attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def bag(name: str, *items: str, kind: str = "Bag") -> str:
    """Return a property with several values."""
    return f"<{name}><rdf:{kind}>{''.join(f'<rdf:li>{item}</rdf:li>' for item in items)}</rdf:{kind}></{name}>"


def picture(**options: object) -> bytes:
    """Return a small JPEG."""
    return saved(Image.new("RGB", (4, 4)), "JPEG", **options)


def test_all_ways_to_write_a_property_are_read() -> None:
    """Attributes, elements, containers, languages, references, and several descriptions."""
    body = (
        bag("dc:subject", "one", " two ", "", "a &amp; b")
        + bag("dc:creator", "Zoë", "Ann", kind="Seq")
        + '<dc:rights><rdf:Alt><rdf:li xml:lang="de">Rechte</rdf:li><rdf:li xml:lang="x-default">Rights</rdf:li>'
        + "</rdf:Alt></dc:rights>"
        + '<dc:description><rdf:Alt><rdf:li xml:lang="de">Nur so</rdf:li></rdf:Alt></dc:description>'
        + "<xmp:Label>Red</xmp:Label>"
        + '<xmpRights:WebStatement rdf:resource="https://example.org/"/>'
        + "</rdf:Description><rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/'"
        + " xmp:CreateDate='2024-05-06T07:08:09.12+02:00'>"
    )
    assert xmp.read(packet(body, 'xmp:Rating="3"')) == {
        "xmp:Rating": ["3"],
        "dc:subject": ["one", "two", "a & b"],
        "dc:creator": ["Zoë", "Ann"],
        "dc:rights": ["Rights"],
        "dc:description": ["Nur so"],
        "xmp:Label": ["Red"],
        "xmpRights:WebStatement": ["https://example.org/"],
        "xmp:CreateDate": ["2024-05-06T07:08:09.12+02:00"],
    }


def test_names_are_those_of_the_namespace_and_not_of_the_prefix() -> None:
    """Other prefixes are the same property; the same prefix for another namespace is another one."""
    other = xmp.read(
        f'<R:RDF xmlns:R="{RDF}"><R:Description xmlns:a="http://ns.adobe.com/xap/1.0/" a:Rating="2"'
        ' xmlns:dc="urn:mine"><dc:rights>mine</dc:rights></R:Description></R:RDF>'.encode()
    )
    assert other == {"xmp:Rating": ["2"]}


def test_what_is_nested_elsewhere_is_nobodys_property() -> None:
    """Of history, faces, ingredients and bags of structures nothing is taken for the photo's own."""
    body = (
        '<xmpMM:DerivedFrom rdf:parseType="Resource"><dc:rights>theirs</dc:rights></xmpMM:DerivedFrom>'
        "<xmpMM:History><rdf:Seq><rdf:li><rdf:Description><xmp:Rating>1</xmp:Rating></rdf:Description></rdf:li>"
        "</rdf:Seq></xmpMM:History>"
        "<dc:subject><rdf:Bag><rdf:li><rdf:Description><dc:subject>deep</dc:subject></rdf:Description></rdf:li>"
        "</rdf:Bag></dc:subject>"
    )
    assert xmp.read(packet(body)) == {}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8-sig"])
def test_byte_order_marks_tell_the_encoding(encoding: str) -> None:
    """UTF-16 in both orders, and UTF-8 with a mark."""
    content = "\ufeff" * encoding.startswith("utf-16") + packet(bag("dc:subject", "四")).decode()
    assert xmp.read(content.encode(encoding)) == {"dc:subject": ["四"]}


def test_padding_and_wrapping_are_no_fault() -> None:
    """Packets stand between processing instructions, with spaces and NULs behind them."""
    wrapped = b"\n<?xpacket begin=''?>" + packet(bag("dc:subject", "a")) + b" " * 2000 + b"<?xpacket end='w'?>\0\0\n"
    assert xmp.read(wrapped) == {"dc:subject": ["a"]}


WORD = bag("dc:subject", "a")
NUMBERED = " ".join(f'a{n}="1"' for n in range(200_000))
HOSTILE = {
    "billion laughs": packet(
        bag("dc:subject", "&lol9;"),
        before='<!DOCTYPE x [<!ENTITY lol0 "lol">'
        + "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10}">' for n in range(1, 10))
        + "]>",
    ),
    "quadratic": packet(bag("dc:subject", "&a;" * 10_000), before=f'<!DOCTYPE x [<!ENTITY a "{"x" * 50_000}">]>'),
    "file": packet(bag("dc:subject", "&f;"), before='<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
    "address": packet(bag("dc:subject", "&f;"), before='<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'),
    "parameter entity": packet("", before='<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>'),
    "attribute default": packet("", before='<!DOCTYPE x [<!ATTLIST rdf:Description xmp:Rating CDATA "5">]>'),
    "document type alone": packet(bag("dc:subject", "a"), before="<!DOCTYPE x>"),
    "deep": packet(WORD + "<a>" * 10_000 + "</a>" * 10_000),
    "wide": packet(WORD + "<a/>" * 900_000),
    "many attributes": packet(WORD + f"<a {NUMBERED}/>"),
    "huge": packet(WORD + "a" * (5 << 20)),
    "unknown encoding": b'<?xml version="1.0" encoding="no-such"?>' + packet("") + b"<",
    "undeclared prefix": packet("<nobody:x/>" + bag("dc:subject", "a")),
    "undeclared entity": packet(bag("dc:subject", "&nbsp;")),
    "deep without end": packet(WORD + "<a>" * 500_000),
    "cut off": packet(WORD)[:-30],
    "something behind": packet(WORD) + b"<more/>",
    "no UTF-8": packet(bag("dc:subject", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"))).replace(
        b"\xc3\xad", b"\xed"
    ),
    "control characters": packet(bag("dc:subject", "a\x01b")),
    "reference to nothing": packet(bag("dc:subject", "&#0;")),
    "empty": b"",
    "NULs": bytes(100_000),
    "no XML": b"\xff\xd8\xff\xe0" * 1000,
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
    "half of UTF-16": b"\xff\xfe<",
    "UTF-7": b"+ADw-x+AD4-",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_packet_says_nothing(what: str) -> None:
    """No entity, no document type, nothing beyond reason; without the bounds some would take minutes, or all memory."""
    assert xmp.read(HOSTILE[what]) == {}


def test_packet_names_an_encoding_in_vain() -> None:
    """Python's codecs are not asked for one: it is UTF-8 whatever is declared."""
    declared = b'<?xml version="1.0" encoding="rot13"?>' + packet(bag("dc:subject", "a"))
    assert xmp.read(declared) == {"dc:subject": ["a"]}


NAMESPACES = " ".join(f"xmlns:a{n}='urn:{n}'" for n in range(100_000))
LARGE = {
    "one name": packet(WORD + f"<{'a' * (3 << 20)}/>"),
    "one value": packet(WORD + f"<xmp:Label>{'b' * (3 << 20)}</xmp:Label>"),
    "one comment": packet(f"{WORD}<!--{'-a' * (1 << 20)}-->"),
    "namespaces": packet(WORD + f"<a {NAMESPACES}/>"),
    "values": packet(WORD + bag("dc:creator", *["x"] * 15_000)),
    "references": packet(WORD + f"<xmp:Label>{'&#97;' * 600_000}</xmp:Label>"),
}


@pytest.mark.parametrize("what", LARGE)
def test_large_packet_is_read(what: str) -> None:
    """What is sound and below 4 MiB loses nothing."""
    assert xmp.read(LARGE[what])["dc:subject"] == ["a"]


@pytest.mark.parametrize("what", HOSTILE)
def test_photo_is_cut_without_a_hostile_packet(what: str) -> None:
    """The rest of what the photo says stays: EXIF, and where XMP falls out, IPTC's words."""
    info = PngImagePlugin.PngInfo()
    if len(HOSTILE[what]) < 1 << 20:
        info.add(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + HOSTILE[what])
    content = saved(Image.new("RGB", (4, 4)), "PNG", pnginfo=info, exif=exif_block([text(271, "Canon")]))
    found = kept(opened(content), Metadata.KEEP)
    assert b"Canon" in found.exif
    assert found.xmp == b""


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("xmp:Rating", ["-1", "0", "5", "3.0", "4.5"], ["6", "five", "-2", "5.1", "1e0", "", "٣"]),
        (
            "exif:DateTimeOriginal",
            ["2024", "2024-05-06", "2024-05-06T07:08", "2024-05-06T07:08:09Z", "2024-05-06T07:08:09.5-02:00"],
            ["yesterday", "2024-5-6", "2024-05-06 07:08", "2024-05-06T07:08:09 in Prague", "06.05.2024"],
        ),
        ("xmpRights:Marked", ["True", "False"], ["true", "1", "maybe"]),
        ("exif:GPSLatitude", ["50,5.004N", "50,5,12S"], ["50.0834", "N 50", "at home"]),
        ("exif:GPSAltitude", ["187/1"], ["187", "1/0", "-3/1"]),
        ("exif:GPSAltitudeRef", ["0", "1"], ["2", "above"]),
        (
            "xmpMM:DocumentID",
            ["xmp.did:8f2b1c34-1a2b-4c3d-8e4f-001122334455", "uuid:FAF5BDD5-BA3D-41D9-8A9D-000000000000", "adobe:x:1"],
            ["a b c d e f g h", "x" * 200, "short", "uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
             "uuid:9E3E5C9A8C81DB118734DB58FDDE4BA7", "xmp.did:F97F1174072068118083B50A3B1A5D2B", "<script>aaaaaaaa"],
        ),
    ],
)  # fmt: skip
def test_values_have_the_form_of_their_property(name: str, good: list[str], bad: list[str]) -> None:
    """What has another form than the property is left out: an identifier with a network card's address, too."""
    for value in good:
        assert xmp.read(packet(f"<{name}>{value.replace('<', '&lt;')}</{name}>")) == {name: [value]}
    for value in bad:
        assert xmp.read(packet(f"<{name}>{value.replace('<', '&lt;')}</{name}>")) == {}, value


def test_texts_and_lists_have_an_end() -> None:
    """256 values of 256 characters, and 8000 characters of prose."""
    found = xmp.read(packet(bag("dc:subject", *(str(n) for n in range(1000))) + f"<dc:rights>{'é' * 9000}</dc:rights>"))
    assert found["dc:subject"] == [str(n) for n in range(256)]
    assert found["dc:rights"] == ["é" * 8000]
    assert xmp.read(packet(bag("dc:subject", "y" * 300)))["dc:subject"] == ["y" * 256]


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=5),
    prose=st.text(min_size=1, max_size=200),
)
def test_what_is_written_is_read_again(words: list[str], prose: str) -> None:
    """Any characters: the packet is sound XML, and cleaning a second time changes nothing."""
    clean = xmp.cleaned({"dc:subject": words, "dc:description": [prose], "dc:creator": words, "xmp:Label": words})
    written = xmp.write(clean, ID, {})
    assert xmp.read(written) == clean | {"xmpMM:DocumentID": [ID]}
    assert xmp.cleaned(clean) == clean


def test_identifier_is_made_of_the_hash_and_of_what_is_written() -> None:
    """The same photo gives the same bytes; another photo, or the mask, is another document."""
    photo = opened(
        picture(xmp=packet("<xmp:Rating>3</xmp:Rating><xmpMM:InstanceID>xmp.iid:87654321</xmpMM:InstanceID>"))
    )
    one, again, other = (chosen(photo, Metadata.SAFE, source_sha256=sha * 32) for sha in ("ab", "ab", "cd"))
    mask = chosen(photo, Metadata.SAFE, source_sha256="ab" * 32, product=Product.MASK)
    assert one == again
    documents = [xmp.read(found.xmp)["xmpMM:DocumentID"][0] for found in (one, other, mask)]
    assert len(set(documents)) == 3
    assert b"<stRef:instanceID>xmp.iid:87654321</stRef:instanceID>" in one.xmp


def test_identifiers_alone_are_no_reason_for_a_packet() -> None:
    """Where nothing else is kept there is no packet."""
    photo = opened(
        picture(xmp=packet(f"<xmpMM:DocumentID>{ID}</xmpMM:DocumentID><photoshop:City>Prague</photoshop:City>"))
    )
    assert kept(photo, Metadata.SAFE).xmp == b""
    assert b"Prague" in kept(photo, Metadata.KEEP).xmp


def test_provenance_of_content_credentials_does_not_pass() -> None:
    """XMP's reference to a manifest is on no list."""
    body = '<p:provenance xmlns:p="http://purl.org/dc/terms/">https://example.org/manifest</p:provenance>'
    photo = opened(picture(xmp=packet(body + "<xmp:Label>Red</xmp:Label>")))
    assert b"manifest" not in kept(photo, Metadata.KEEP).xmp
    assert b"Red" in kept(photo, Metadata.KEEP).xmp


def test_xmp_says_what_exif_does_not() -> None:
    """Date, camera, place and serial number stay in XMP where EXIF has none, and are not written twice."""
    body = (
        "<exif:DateTimeOriginal>2024-05-06T07:08:09</exif:DateTimeOriginal><tiff:Make>Leica</tiff:Make>"
        "<aux:SerialNumber>4711</aux:SerialNumber><exif:GPSLatitude>50,5.004N</exif:GPSLatitude>"
    )
    alone = opened(picture(xmp=packet(body)))
    assert xmp.read(kept(alone, Metadata.SAFE).xmp).keys() == {
        "exif:DateTimeOriginal", "tiff:Make", "xmpMM:DocumentID",
    }  # fmt: skip
    assert len(xmp.read(kept(alone, Metadata.KEEP).xmp)) == 5
    exif = exif_block(
        [text(271, "Leica")],
        [text(36867, "2024:05:06 07:08:09"), text(42033, "4711")],
        [text(1, "N"), rational(2, (50, 1), (5, 1), (24, 100))],
    )
    both = opened(picture(xmp=packet(body), exif=exif))
    assert kept(both, Metadata.KEEP).xmp == b""
    assert b"4711" in kept(both, Metadata.KEEP).exif


def test_stars_of_the_camera_count_where_xmp_has_none() -> None:
    """EXIF's tag 18246, which Windows and some cameras write; what is no number of stars is none."""
    exif = exif_block([short(0x4746, 3)])
    assert xmp.read(kept(opened(picture(exif=exif)), Metadata.SAFE).xmp)["xmp:Rating"] == ["3"]
    both = opened(picture(exif=exif, xmp=packet("<xmp:Rating>5</xmp:Rating>")))
    assert xmp.read(kept(both, Metadata.SAFE).xmp)["xmp:Rating"] == ["5"]
    assert kept(opened(picture(exif=exif_block([short(0x4746, 99)]))), Metadata.SAFE).xmp == b""


def dataset(number: int, value: bytes, record: int = 2) -> bytes:
    """Return one entry of an IPTC block."""
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


def resources(*blocks: tuple[int, bytes]) -> bytes:
    """Return Photoshop's image resources, each with a name of an odd length."""
    return b"".join(
        b"8BIM"
        + struct.pack(">H", number)
        + b"\x02ab\0"
        + struct.pack(">I", len(block))
        + block
        + b"\0" * (len(block) % 2)
        for number, block in blocks
    )


IPTC = (
    dataset(25, b"one") + dataset(25, "zwölf".encode()) + dataset(80, "Zoë".encode("cp1252")) + dataset(116, b"(c) Z")
    + dataset(120, b"a\rb") + dataset(55, b"20240506") + dataset(90, b"Prague") + dataset(101, b"Czechia")
    + dataset(40, b"secret instructions")
)  # fmt: skip
FROM_IPTC = {
    "dc:subject": ["one", "zwölf"],
    "dc:creator": ["Zoë"],
    "dc:rights": ["(c) Z"],
    "dc:description": ["a\nb"],
    "photoshop:DateCreated": ["2024-05-06"],
}
RAW_IPTC = resources((1000, b"x"), (0x0404, IPTC))


def raw_profile(kind: str, profile: bytes) -> bytes:
    """Return a compressed text as ImageMagick writes it into a PNG."""
    digits = "\n".join(profile.hex()[at : at + 72] for at in range(0, 2 * len(profile), 72))
    info = PngImagePlugin.PngInfo()
    info.add_text(f"Raw profile type {kind}", f"\n{kind}\n{len(profile):8}\n{digits}\n", zip=True)
    return saved(Image.new("RGB", (4, 4)), "PNG", pnginfo=info)


def tiff(tag: int, value: object, kind: int) -> bytes:
    """Return a TIFF with one more entry, of a type."""
    from PIL import TiffImagePlugin

    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[tag] = value
    info.tagtype[tag] = kind
    return saved(Image.new("RGB", (4, 4)), "TIFF", tiffinfo=info)


def jpeg_with(*segments: bytes) -> bytes:
    """Return a JPEG with these segments (marker and content) behind its start."""
    content = picture()
    packed = b"".join(b"\xff" + segment[:1] + struct.pack(">H", len(segment) + 1) + segment[1:] for segment in segments)
    return content[:2] + packed + content[2:]


padded = IPTC + bytes(-len(IPTC) % 4)
WITH_IPTC = {
    "JPEG": jpeg_with(b"\xedPhotoshop 3.0\0" + RAW_IPTC),
    "TIFF, bytes": tiff(33723, IPTC, 7),
    "TIFF, numbers": tiff(33723, padded, 7).replace(
        struct.pack("<HHI", 33723, 7, len(padded)), struct.pack("<HHI", 33723, 4, len(padded) // 4)
    ),
    "TIFF, resources": tiff(34377, RAW_IPTC, 1),
    "PNG, iptc": raw_profile("iptc", RAW_IPTC),
    "PNG, bare": raw_profile("iptc", IPTC),
    "PNG, 8bim": raw_profile("8bim", RAW_IPTC),
}


@pytest.mark.parametrize("what", WITH_IPTC)
def test_iptc_goes_into_xmp(what: str) -> None:
    """Keywords, creator, rights, caption and date have a place there; with "keep" the place has one, too."""
    photo = opened(WITH_IPTC[what])
    own = {"xmpMM:DocumentID"}
    safe = xmp.read(kept(photo, Metadata.SAFE).xmp)
    assert {name: values for name, values in safe.items() if name not in own} == FROM_IPTC
    found = xmp.read(kept(photo, Metadata.KEEP).xmp)
    assert found["photoshop:City"] == ["Prague"]
    assert b"secret" not in kept(photo, Metadata.KEEP).xmp


def test_xmp_comes_before_iptc() -> None:
    """What both say is XMP's; what it does not say is IPTC's."""
    segment = b"\xe1http://ns.adobe.com/xap/1.0/\0" + packet(bag("dc:subject", "mine"))
    found = xmp.read(kept(opened(jpeg_with(segment, b"\xedPhotoshop 3.0\0" + RAW_IPTC)), Metadata.SAFE).xmp)
    assert found["dc:subject"] == ["mine"]
    assert found["dc:creator"] == ["Zoë"]


@given(block=st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: IPTC[:40] + tail))
def test_any_bytes_are_some_iptc(block: bytes) -> None:
    """Nothing is raised, and what is found is clean."""
    xmp.cleaned(iptc.read(block))
    iptc.read(iptc.in_resources(b"8BIM\x04\x04" + block))
    xmp.read(block)


def test_iptc_without_end_has_one() -> None:
    """Of thousands of entries and of resources the first are looked at."""
    assert iptc.read(dataset(25, b"a") + dataset(7, b"") * 5000 + dataset(80, b"b")) == {"dc:subject": ["a"]}
    assert iptc.in_resources(resources(*[(1, b"")] * 2000, (0x0404, IPTC))) == b""


def extended(parts: list[tuple[int, bytes]], whole: bytes, digest: str = "") -> list[bytes]:
    """Return the segments of XMP that has no room in one."""
    guid = digest or hashlib.md5(whole).hexdigest().upper()
    main = packet("<xmp:Rating>4</xmp:Rating>", f'xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="{guid}"')
    head = b"\xe1http://ns.adobe.com/xmp/extension/\0" + guid.encode()
    return [
        b"\xe1http://ns.adobe.com/xap/1.0/\0" + main,
        *(head + struct.pack(">II", len(whole), at) + part for at, part in parts),
    ]


def test_xmp_in_several_parts_is_put_together() -> None:
    """In any order; what is not whole, or not what the main packet names, is not there, and the main packet is."""
    whole = packet(bag("dc:subject", *(f"word {n}" for n in range(200))) + "<xmp:Rating>1</xmp:Rating>")
    middle = len(whole) // 2
    parts = [(middle, whole[middle:]), (0, whole[:middle])]
    found = xmp.read(kept(opened(jpeg_with(*extended(parts, whole))), Metadata.SAFE).xmp)
    assert len(found["dc:subject"]) == 200
    assert found["xmp:Rating"] == ["4"], "the main packet has the last word"
    other = extended([], b"", digest="0" * 32)[:1] + extended(parts, whole)[1:]  # sound parts, which nobody has named
    for broken in (
        extended(parts[:1], whole), extended(parts, whole, digest="0" * 32), extended([(0, whole[:-1])], whole), other
    ):  # fmt: skip
        found = xmp.read(kept(opened(jpeg_with(*broken)), Metadata.SAFE).xmp)
        assert found.keys() == {"xmp:Rating", "xmpMM:DocumentID"}


def test_packets_are_found_in_every_format() -> None:
    """JPEG, TIFF, WebP and AVIF; a PNG's own text, behind the pixels too, and ImageMagick's two."""
    body = packet(bag("dc:subject", "found"))
    small = Image.new("RGB", (4, 4))
    whole = saved(small, "PNG")
    files = {
        "JPEG": saved(small, "JPEG", xmp=body), "WEBP": saved(small, "WEBP", xmp=body),
        "AVIF": saved(small, "AVIF", xmp=body), "TIFF": tiff(700, body, 1),
        "PNG": whole[:-12] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + body) + whole[-12:],
        "PNG, raw": raw_profile("xmp", body),
        "PNG, APP1": raw_profile("APP1", b"http://ns.adobe.com/xap/1.0/\0" + body),
    }  # fmt: skip
    for form, content in files.items():
        assert xmp.read(kept(opened(content), Metadata.SAFE).xmp).get("dc:subject") == ["found"], form
    exif = opened(raw_profile("APP1", exif_block([text(271, "Canon")])))
    assert b"Canon" in kept(exif, Metadata.SAFE).exif


def test_resolution_goes_with_the_rest() -> None:
    """ "none" keeps the colour profile alone."""
    photo = opened(picture(dpi=(300, 300)))
    assert kept(photo, Metadata.SAFE).dpi == kept(photo, Metadata.KEEP).dpi == (300, 300)
    assert kept(photo, Metadata.NONE).dpi is None


@pytest.mark.parametrize(("dpi", "is_taken"), [(29, False), (30, True), (2400, True), (2401, False)])
def test_resolution_is_taken_within_reason(dpi: int, is_taken: bool) -> None:
    """30 to 2400 dots per inch: outside of that programs have written numbers without a unit."""
    assert (opened(picture(dpi=(dpi, dpi))).dpi is not None) == is_taken


def test_list_in_the_page_is_that_of_the_code() -> None:
    """docs/metadata.md names every bound that the code has."""
    page = (Path(__file__).parents[2] / "docs" / "metadata.md").read_text()
    for number in (xmp._MOST_WORD, xmp._MOST_PROSE, xmp._MOST_VALUES, 2000, xmp.MOST_BYTES >> 20, 30, 2400):
        assert re.search(rf"\b{number}\b", page), number
