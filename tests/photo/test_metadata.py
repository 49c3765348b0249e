"""What of a photo's metadata passes into the cut-out, and what never does."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from bgzero_daemon.core.recipe import Metadata
from bgzero_daemon.photo.chunks import SOFTWARE
from bgzero_daemon.photo.metadata import Kept
from bgzero_daemon.photo.picture import Photo

from .exif import Entry, blob, exif_block, rational, short, text
from .pictures import astronaut, encoded, kept, opened, saved
from .test_encode import chunks

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
BASE, CAMERA = ExifTags.Base, ExifTags.IFD.Exif
# Bytes that stand nowhere else: where they turn up, something was copied.
SALTS = {
    word: f"SALT-{word}-7f3a".encode()
    for word in (
        "gps",
        "area",
        "serial",
        "lens-serial",
        "owner",
        "maker",
        "comment",
        "thumbnail",
        "xmp",
        "id",
        "host",
        "city",
    )
}
PRIVATE_BUT_KEPT_ON_REQUEST = ("gps", "area", "serial", "lens-serial", "city")
GPS = [
    text(1, "N"),
    rational(2, (50, 1), (5, 1), (1234, 100)),
    text(3, "E"),
    rational(4, (14, 1), (25, 1), (4321, 100)),
    blob(27, b"ASCII\0\0\0" + SALTS["gps"]),
    blob(28, b"ASCII\0\0\0" + SALTS["area"]),
]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"'
    b' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="' + SALTS["city"] + b'"'
    b' xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure="' + SALTS["xmp"] + b'"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def camera_block(orientation: int = 1) -> bytes:
    """Return an EXIF block like a camera's: useful, private, and a thumbnail that shows the background."""
    thumbnail = saved(Image.fromarray(astronaut(16)), "JPEG", comment=SALTS["thumbnail"])
    base = [
        text(270, "A person in orange"),
        text(271, "Canon"),
        text(272, "Canon EOS R5"),
        short(274, orientation),
        text(306, "2024:05:06 07:08:09"),
        text(315, "Ann Example"),
        text(316, SALTS["host"].decode()),
        text(33432, "(c) Ann Example"),
    ]
    camera = [
        rational(33434, (1, 250)),
        rational(33437, (28, 10)),
        short(34855, 400),
        text(36867, "2024:05:06 07:08:09"),
        text(36881, "+02:00"),
        rational(37386, (85, 1)),
        blob(37500, SALTS["maker"] * 3),
        blob(37510, b"ASCII\0\0\0" + SALTS["comment"]),
        text(42016, SALTS["id"].decode()),
        text(42032, SALTS["owner"].decode()),
        text(42033, SALTS["serial"].decode()),
        rational(42034, (24, 1), (70, 1), (28, 10), (28, 10)),
        text(42036, "RF24-70mm F2.8 L IS USM"),
        text(42037, SALTS["lens-serial"].decode()),
    ]
    return exif_block(base, camera, GPS, thumbnail)


def salted(form: str) -> bytes:
    """Return a photo of that format with everything private that the format takes."""
    options: dict[str, object] = {"exif": camera_block()}
    if form == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", SALTS["comment"].decode())
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = texts
    elif form == "TIFF":
        exif = Image.Exif()
        exif.load(camera_block())
        exif[700] = XMP
        options["exif"] = exif
    else:
        options["xmp"] = XMP
    if form == "JPEG":
        options["comment"] = SALTS["comment"]
    return saved(Image.fromarray(astronaut(16)), form, **options)


def cut(content: bytes, policy: Metadata) -> bytes:
    """Return the PNG that is written for a photo: all of it, with alpha where the pixels are bright."""
    photo = opened(content)
    alpha = np.where(photo.rgb[..., :1] > 60, 255, 0).astype(np.uint8)
    rgba = np.concatenate([photo.rgb * (alpha > 0), alpha], axis=2).astype(np.uint8)
    chosen = kept(photo, policy)
    return encoded(rgba, photo, exif=chosen.exif, xmp=chosen.xmp, tag={"v": 1})


def exif_of(png: bytes) -> Image.Exif:
    """Read the EXIF of what was written."""
    with Image.open(io.BytesIO(png)) as picture:
        exif = picture.getexif()
        exif.get_ifd(CAMERA)
        exif.get_ifd(ExifTags.IFD.GPSInfo)
        return exif


@pytest.mark.parametrize("form", FORMATS)
def test_safe_keeps_what_is_useful(form: str) -> None:
    """Camera, lens, exposure, dates, creator, rights and description are there, in every format."""
    exif = exif_of(cut(salted(form), Metadata.SAFE))
    assert {BASE(tag).name: value for tag, value in exif.items() if tag not in (34665, 34853)} == {
        "ImageDescription": "A person in orange",
        "Make": "Canon",
        "Model": "Canon EOS R5",
        "Software": SOFTWARE,
        "DateTime": "2024:05:06 07:08:09",
        "Artist": "Ann Example",
        "Copyright": "(c) Ann Example",
    }
    assert {BASE(tag).name: value for tag, value in exif.get_ifd(CAMERA).items()} == {
        "ExifVersion": b"0232",
        "ExifImageWidth": 16,
        "ExifImageHeight": 16,
        "ExposureTime": pytest.approx(1 / 250),
        "FNumber": pytest.approx(2.8),
        "ISOSpeedRatings": 400,
        "DateTimeOriginal": "2024:05:06 07:08:09",
        "OffsetTimeOriginal": "+02:00",
        "FocalLength": 85,
        "LensSpecification": pytest.approx((24, 70, 2.8, 2.8)),
        "LensModel": "RF24-70mm F2.8 L IS USM",
    }
    assert exif.get_ifd(ExifTags.IFD.GPSInfo) == {}


@pytest.mark.parametrize("form", FORMATS)
def test_place_and_serials_pass_only_with_keep(form: str) -> None:
    """ "keep" adds them, unchanged."""
    exif = exif_of(cut(salted(form), Metadata.KEEP))
    camera, place = exif.get_ifd(CAMERA), exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert camera[BASE.BodySerialNumber] == SALTS["serial"].decode()
    assert camera[BASE.LensSerialNumber] == SALTS["lens-serial"].decode()
    assert BASE.CameraOwnerName not in camera
    assert place[1] == "N"
    assert place[2] == pytest.approx((50, 5, 12.34))
    assert SALTS["gps"] in bytes(place[27])


@pytest.mark.parametrize("policy", Metadata)
@pytest.mark.parametrize("form", FORMATS)
def test_salted_bytes_are_nowhere_in_the_file(form: str, policy: Metadata) -> None:
    """Not one private byte is in the PNG; with "keep" only those that were asked for."""
    source = salted(form)
    assert SALTS["city"] in source
    carried = {word for word, salt in SALTS.items() if salt in source}
    assert carried >= {"gps", "area", "serial", "owner", "maker", "comment"}, "the test must be able to fail"
    png = cut(source, policy)
    found = {word for word, salt in SALTS.items() if salt in png}
    assert found == (set(PRIVATE_BUT_KEPT_ON_REQUEST) if policy is Metadata.KEEP else set())


def test_jpeg_of_these_tests_carries_every_salt() -> None:
    """The control: a JPEG takes thumbnail, XMP, maker note and all the rest."""
    source = salted("JPEG")
    assert all(salt in source for salt in SALTS.values())
    assert SALTS["xmp"] in salted("PNG")
    assert SALTS["xmp"] in salted("TIFF")


@pytest.mark.parametrize("policy", Metadata)
@pytest.mark.parametrize("form", FORMATS)
def test_only_known_chunks_are_written(form: str, policy: Metadata) -> None:
    """No compressed text, no time stamp: nothing in which something could hide."""
    kinds = {kind for kind, _payload in chunks(cut(salted(form), policy))}
    assert kinds <= {b"IHDR", b"pHYs", b"tEXt", b"iTXt", b"eXIf", b"IDAT", b"IEND"}
    assert (b"eXIf" in kinds) == (policy is not Metadata.NONE)


@pytest.mark.parametrize("policy", [Metadata.KEEP, Metadata.SAFE])
def test_thumbnail_and_orientation_never_pass(policy: Metadata) -> None:
    """The block that is written has no second directory, no orientation, no maker note and no comment."""
    photo = opened(saved(Image.fromarray(astronaut(16)), "JPEG", exif=camera_block(orientation=6)))
    exif = exif_of(encoded(photo.rgb, photo, exif=kept(photo, policy).exif, tag={}))
    assert exif.get_ifd(ExifTags.IFD.IFD1) == {}
    assert BASE.Orientation not in exif
    assert not {BASE.MakerNote, BASE.UserComment, BASE.ImageUniqueID} & exif.get_ifd(CAMERA).keys()
    assert BASE.HostComputer not in exif


@pytest.mark.parametrize("policy", Metadata)
def test_photo_without_exif_gives_none(policy: Metadata) -> None:
    """Nothing in, nothing out: no empty block either."""
    assert kept(replace(opened(saved(Image.new("RGB", (4, 4)), "JPEG")), exif=None), policy) == Kept()
    assert kept(opened(saved(Image.new("RGB", (4, 4)), "JPEG")), policy) == Kept()


def test_photo_that_holds_only_private_things_gives_none() -> None:
    """Where only a place is known, "safe" writes no block at all."""
    photo = opened(saved(Image.new("RGB", (4, 4)), "JPEG", exif=exif_block([], [text(42033, "123")], GPS)))
    assert kept(photo, Metadata.SAFE).exif == b""
    assert kept(photo, Metadata.KEEP).exif != b""


def test_size_is_that_of_the_cutout() -> None:
    """A photo that lies on its side says the turned size, whatever it said before."""
    stale = [(tag, 4, 1, struct.pack("<I", 650)) for tag in (BASE.ExifImageWidth, BASE.ExifImageHeight)]
    lying = saved(Image.new("RGB", (40, 20)), "JPEG", exif=exif_block([text(271, "Canon"), short(274, 6)], stale))
    camera = exif_of(cut(lying, Metadata.SAFE)).get_ifd(CAMERA)
    assert (camera[BASE.ExifImageWidth], camera[BASE.ExifImageHeight]) == (20, 40)


def test_same_photo_gives_the_same_block() -> None:
    """Nothing of the clock or of an earlier photo gets in."""
    content = salted("JPEG")
    assert cut(content, Metadata.KEEP) == cut(content, Metadata.KEEP)


ODD: dict[str, Entry] = {
    "fraction as maker": rational(271, (1, 3)),
    "float as model": (272, 11, 1, struct.pack("<f", 1.5)),
    "number as description": short(270, 7),
    "undefined bytes as artist": blob(315, b"\xff\xfe\0\1"),
    "twenty dates": (306, 9, 5, struct.pack("<5i", 1, 2, 3, 4, 5)),
    "maker that is no UTF-8": (271, 2, 4, b"\xe9\xff\xfe\0"),
    "type that does not exist": (272, 99, 1, b"\0\0\0\0"),
}


@pytest.mark.parametrize("policy", Metadata)
@pytest.mark.parametrize("what", ODD)
def test_odd_entry_costs_neither_the_photo_nor_the_other_entries(what: str, policy: Metadata) -> None:
    """An entry of the wrong type is left out or carried; the photo is cut and what is right beside it stays."""
    right = text(33432, "(c) Ann Example")
    photo = opened(saved(Image.new("RGB", (4, 4)), "JPEG", exif=exif_block([ODD[what], right])))
    block = kept(photo, policy).exif
    if policy is Metadata.NONE:
        assert block == b""
        return
    exif = Image.Exif()
    exif.load(block)
    assert exif[33432] == "(c) Ann Example"


ODD_CAMERA: dict[str, Entry] = {
    "text as aperture": text(33437, "f/2.8"),
    "speed that needs 32 bits": (34855, 4, 1, struct.pack("<I", 102_400)),
    "division by zero": rational(33434, (1, 0)),
    "nothing by nothing": rational(33434, (0, 0)),
    "bytes as date": blob(36867, b"\0\1\2\3\4\5"),
}


@pytest.mark.parametrize("what", ODD_CAMERA)
def test_odd_camera_entry_costs_nothing_else(what: str) -> None:
    """The same for exposure and lens."""
    photo = opened(saved(Image.new("RGB", (4, 4)), "JPEG", exif=exif_block([text(271, "Canon")], [ODD_CAMERA[what]])))
    exif = Image.Exif()
    exif.load(kept(photo, Metadata.KEEP).exif)
    assert exif[271] == "Canon"


def test_value_behind_the_end_of_the_block_costs_the_photo_nothing() -> None:
    """EXIF that points out of the file is read as far as it goes."""
    astray = (272, 2, 5000, struct.pack("<I", 1 << 30))
    photo = opened(saved(Image.new("RGB", (4, 4)), "JPEG", exif=exif_block([text(271, "Canon"), astray])))
    assert photo.rgb.shape == (4, 4, 3)
    exif = Image.Exif()
    exif.load(kept(photo, Metadata.KEEP).exif)
    assert exif[271] == "Canon"


def test_photo_is_not_changed_by_choosing() -> None:
    """Choosing twice with different policies gives what each asks for, in any order."""
    photo: Photo = opened(salted("JPEG"))
    first = kept(photo, Metadata.KEEP)
    assert SALTS["serial"] not in kept(photo, Metadata.SAFE).exif
    assert kept(photo, Metadata.KEEP) == first
