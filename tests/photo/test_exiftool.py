"""The strictest reader there is: exiftool salts photos of every format, and says what it finds in their cut-outs."""

import json
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from PIL import Image

from bgzero_daemon.core.recipe import Metadata

from .exif import exif_block, rational, text
from .handmade import chunk
from .pictures import astronaut, encoded, kept, opened, saved
from .test_encode import chunks

SUFFIXES = ("jpg", "tif", "png", "webp", "avif")
SALT = "SALT-7f3a-"
USEFUL = {
    "EXIF:Make": "Canon",
    "EXIF:Model": "Canon EOS R5",
    "EXIF:LensModel": "RF24-70mm F2.8 L IS USM",
    "EXIF:DateTimeOriginal": "2024:05:06 07:08:09",
    "EXIF:OffsetTimeOriginal": "+02:00",
    "EXIF:SubSecTimeOriginal": 12,
    "EXIF:ExposureTime": 0.004,
    "EXIF:FNumber": 2.8,
    "EXIF:ISO": 400,
    "EXIF:FocalLength": 85,
    "EXIF:ExposureCompensation": -0.3,
    "EXIF:Artist": "Zoë Exämple 例",
    "EXIF:Copyright": "© 2024 Zoë",
    "EXIF:ImageDescription": "A person in orange",
    "XMP:Rating": 4,
    "XMP:Label": "Red",
    "XMP:Subject": ["one", "two & <three>", "四"],
    "XMP:Creator": ["Zoë", "Ann"],
    "XMP:Rights": "© 'Zoë' & \"Ann\" <all>",
    "XMP:Description": "First line\nsecond line",
    "XMP:UsageTerms": "Ask first",
    "XMP:WebStatement": "https://example.org/terms?a=1&b=2",
}
# What passes with "keep": the tag, its value, and where it is found again
PRIVATE: dict[str, tuple[str | float, str]] = {
    "EXIF:SerialNumber": (SALT + "serial", "EXIF:SerialNumber"),
    "EXIF:LensSerialNumber": (SALT + "lens", "EXIF:LensSerialNumber"),
    "EXIF:GPSLatitude": (50.0834, "EXIF:GPSLatitude"),
    "EXIF:GPSLongitude": (14.4208, "EXIF:GPSLongitude"),
    "EXIF:GPSAltitude": (187, "EXIF:GPSAltitude"),
    "EXIF:GPSProcessingMethod": (SALT + "method", "EXIF:GPSProcessingMethod"),
    "XMP-photoshop:City": (SALT + "city", "XMP:City"),
    "XMP-photoshop:State": (SALT + "state", "XMP:State"),
    "XMP-photoshop:Country": (SALT + "country", "XMP:Country"),
    "XMP-iptcCore:Location": (SALT + "spot", "XMP:Location"),
}
NEVER = {
    "EXIF:OwnerName": SALT + "owner",
    "EXIF:UserComment": SALT + "comment",
    "EXIF:ImageUniqueID": SALT + "unique",
    "EXIF:HostComputer": SALT + "host",
    "EXIF:XPComment": SALT + "windows",
    "XMP-aux:OwnerName": SALT + "xmp-owner",
    "XMP-aux:SerialNumber": SALT + "serial",
    "XMP-exif:UserComment": SALT + "xmp-comment",
    "XMP-exif:GPSLatitude": "50.0834",
    "XMP-xmpMM:OriginalDocumentID": SALT + "first",
    "XMP-xmpMM:HistorySoftwareAgent": SALT + "history",
    "XMP-iptcExt:PersonInImage": SALT + "person",
    "XMP-iptcExt:LocationShownCity": SALT + "shown",
    "XMP-iptcCore:CreatorAddress": SALT + "home",
    "XMP-mwg-rs:RegionName": SALT + "face",
    "XMP-crs:RawFileName": SALT + "raw",
    "XMP-dc:Source": SALT + "source",
    "XMP-GCamera:MicroVideo": "1",
}
ALSO_IPTC = {"IPTC:City": SALT + "iptc-city", "IPTC:OriginatingProgram": SALT + "iptc", "IPTC:By-line": "Zoë"}


@cache
def tool(name: str) -> str:
    """Return where a program is. Skips where there is none."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"NO {name.upper()} ON THIS MACHINE: WHAT IT READS IS NOT LOOKED AT")
    return found


def exiftool(*arguments: str | Path, stdin: bytes | None = None) -> bytes:
    """Run it; anything that it complains of fails the test."""
    command = [tool("exiftool"), "-charset", "iptc=utf8", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, input=stdin, check=False)
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return done.stdout


def tags(*files: Path) -> list[dict[str, Any]]:
    """Return what exiftool finds in each file: group and name to value."""
    found: list[dict[str, Any]] = json.loads(exiftool("-j", "-a", "-n", "-G0", *files))
    return found


def faults(*files: Path) -> str:
    """Return what its validation finds, "" for nothing at all."""
    said = exiftool("-q", "-validate", "-warning", "-error", "-a", *files).decode()
    lines = [line for line in said.splitlines() if not re.fullmatch(r"Validate +: OK|=+ .*", line)]
    assert said.count(": OK") == len(files) or lines, said
    return "\n".join(lines)


def manifest() -> bytes:
    """Return an APP11 segment as C2PA has it: a JUMBF box with a manifest store."""
    about = b"c2pa\0\x11\0\x10\x80\0\0\xaa\08\x9bq" + b"\x03c2pa\0" + f"{SALT}c2pa".encode()
    described = struct.pack(">I4s", len(about) + 8, b"jumd") + about
    box = struct.pack(">I4s", len(described) + 8, b"jumb") + described
    return b"\xff\xeb" + struct.pack(">H", len(box) + 10) + b"JP\0\1\0\0\0\1" + box


@cache
def salted() -> dict[str, bytes]:
    """Return photos of each format that exiftool has filled with useful and private things, and the former's names."""
    folder = Path(mkdtemp(prefix="bgzero-exiftool-"))
    try:
        thumbnail = folder / "thumbnail.jpg"
        thumbnail.write_bytes(saved(Image.fromarray(astronaut(16)), "JPEG", comment=f"{SALT}thumbnail".encode()))
        files = [folder / f"photo.{suffix}" for suffix in SUFFIXES]
        for file in files:
            form = {"jpg": "JPEG", "tif": "TIFF"}.get(file.suffix[1:], file.suffix[1:].upper())
            file.write_bytes(saved(Image.fromarray(astronaut(32)), form))
        lines = []
        for name, value in {**USEFUL, **{key: value for key, (value, _name) in PRIVATE.items()}, **NEVER}.items():
            for one in value if isinstance(value, list) else [value]:
                escaped = str(one).replace("&", "&amp;").replace("\n", "&#10;")
                lines.append(f"-{name}={escaped}")
        lines += ["-EXIF:GPSLatitudeRef=N", "-EXIF:GPSLongitudeRef=E", "-EXIF:GPSAltitudeRef=0"]
        lines += [f"-{name}={value}" for name, value in ALSO_IPTC.items()]
        lines += ["-XMP-xmpMM:DocumentID=xmp.did:0123-of-the-photo", f"-ThumbnailImage<={thumbnail}"]
        arguments = folder / "arguments"
        arguments.write_text("\n".join(["-E", "-q", "-m", "-n", "-overwrite_original", *lines, *map(str, files)]))
        exiftool("-charset", "utf8", "-@", arguments)
        found = {file.suffix[1:]: file.read_bytes() for file in files}
    finally:
        shutil.rmtree(folder)
    found["jpg"] = found["jpg"][:2] + manifest() + found["jpg"][2:]
    return found


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Metadata], Path]:
    """The cut-outs of all salted photos, by suffix and policy."""
    folder = tmp_path_factory.mktemp("cutouts")
    made = {}
    for suffix, content in salted().items():
        for policy in Metadata:
            photo = opened(content)
            chosen = kept(photo, policy)
            file = folder / f"{suffix}-{policy.value}.png"
            file.write_bytes(encoded(photo.rgb, photo, exif=chosen.exif, xmp=chosen.xmp, tag={"v": 1}))
            made[suffix, policy] = file
    return made


@pytest.fixture(scope="module")
def read_back(cutouts: dict[tuple[str, Metadata], Path]) -> dict[tuple[str, Metadata], dict[str, Any]]:
    """What exiftool reads in them."""
    return dict(zip(cutouts, tags(*cutouts.values()), strict=True))


def test_what_is_useful_is_read_back_as_it_was(read_back: dict[tuple[str, Metadata], dict[str, Any]]) -> None:
    """Camera, lens, exposure, date, stars, label, keywords, creator, rights: the same values, from every format."""
    for (suffix, policy), found in read_back.items():
        wanted = {} if policy is Metadata.NONE else USEFUL
        assert {name: found.get(name) for name in wanted} == wanted, (suffix, policy)
        if wanted:
            assert found["EXIF:ExifImageWidth"] == found["EXIF:ExifImageHeight"] == 32
            assert found["XMP:DerivedFromDocumentID"] == "xmp.did:0123-of-the-photo"
            assert found["XMP:DocumentID"] != "xmp.did:0123-of-the-photo"


def test_place_and_serial_numbers_come_with_keep_alone(
    read_back: dict[tuple[str, Metadata], dict[str, Any]],
) -> None:
    """Each of them with "keep", none without."""
    for (suffix, policy), found in read_back.items():
        for value, name in PRIVATE.values():
            expected = pytest.approx(value) if isinstance(value, float) else value
            assert found.get(name) == (expected if policy is Metadata.KEEP else None), (suffix, policy, name)


def test_nothing_is_written_that_is_on_no_list(read_back: dict[tuple[str, Metadata], dict[str, Any]]) -> None:
    """All that exiftool finds is on the list of this test; "none" leaves neither EXIF nor XMP."""
    own = {
        "EXIF:ExifImageWidth", "EXIF:ExifImageHeight", "EXIF:ExifVersion", "EXIF:Software", "XMP:DocumentID",
        "XMP:DerivedFromDocumentID",
    }  # fmt: skip
    on_request = {name for _value, name in PRIVATE.values()}
    on_request |= {f"EXIF:GPS{name}" for name in ("VersionID", "LatitudeRef", "LongitudeRef", "AltitudeRef")}
    for (suffix, policy), found in read_back.items():
        about = {name for name in found if name.startswith(("EXIF:", "XMP:", "IPTC:", "Photoshop:", "JUMBF:"))}
        allowed = {
            Metadata.NONE: set(), Metadata.SAFE: own | USEFUL.keys(), Metadata.KEEP: own | USEFUL.keys() | on_request
        }  # fmt: skip
        assert about <= allowed[policy], (suffix, policy, about - allowed[policy])


def test_validators_are_content(cutouts: dict[tuple[str, Metadata], Path]) -> None:
    """No error, no warning, not even a minor one."""
    assert faults(*cutouts.values()) == ""


def test_salt_is_nowhere_in_the_chunks(cutouts: dict[tuple[str, Metadata], Path]) -> None:
    """Place, serial, owner, comments, thumbnail and manifest: their bytes are in no chunk, unpacked or not."""
    secrets = {*NEVER.values(), *ALSO_IPTC.values(), f"{SALT}thumbnail", f"{SALT}c2pa", "50,5.00"} - {
        "1",
        "50.0834",
        "Zoë",
    }
    private = {value for value, _name in PRIVATE.values() if isinstance(value, str)}
    source = b"".join(salted().values())
    for secret in secrets | private:
        assert secret.encode() in source or secret.encode("utf-16-le") in source, f"{secret}: the test has to fail"
    for (suffix, policy), file in cutouts.items():
        hidden = secrets - private if policy is Metadata.KEEP else secrets | private
        for kind, payload in unpacked(file.read_bytes()):
            for secret in hidden:
                assert secret.encode() not in payload, (suffix, policy, kind, secret)
                assert secret.encode("utf-16-le") not in payload, (suffix, policy, kind, secret)
            assert kind == b"IDAT" or b"\xff\xd8\xff" not in payload, (suffix, policy, kind)


def unpacked(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a PNG; of those that may be compressed what is in them, too."""
    for kind, payload in chunks(png):
        yield kind, payload
        if kind in (b"iCCP", b"zTXt"):
            yield kind, zlib.decompress(payload.split(b"\0", 1)[1][1:])


def test_manifest_is_told_of_as_left_out() -> None:
    """Whoever reads the log knows that the Content Credentials are gone; other photos have no such note."""
    assert "Content Credentials" in opened(salted()["jpg"]).note
    assert opened(salted()["webp"]).note == ""
    in_png = salted()["png"].replace(b"\0\0\0\0IEND", chunk(b"caBX", manifest()[12:]) + b"\0\0\0\0IEND")
    assert "Content Credentials" in opened(in_png).note
    assert kept(opened(in_png), Metadata.KEEP) == kept(opened(salted()["png"]), Metadata.KEEP)


def test_exiv2_reads_the_same(cutouts: dict[tuple[str, Metadata], Path]) -> None:
    """The library of digiKam, darktable and GNOME finds date, stars, keywords and creator, and no fault."""
    for suffix in ("jpg", "tif"):
        file = cutouts[suffix, Metadata.SAFE]
        done = subprocess.run([tool("exiv2"), "-pa", file], capture_output=True, check=False)
        said = re.sub(" +", " ", done.stdout.decode())
        assert (done.returncode, done.stderr) == (0, b""), done.stderr
        for line in (
            "Exif.Photo.DateTimeOriginal Ascii 20 2024:05:06 07:08:09", "Xmp.xmp.Rating XmpText 1 4",
            "Xmp.dc.subject XmpBag 3 one, two & <three>, 四", "Exif.Image.Artist Ascii 18 Zoë Exämple 例",
        ):  # fmt: skip
            assert line in said


def test_odd_values_are_left_out_or_written_as_they_should_be(tmp_path: Path) -> None:
    """Values at and beyond the edges of their types: the validator finds no fault, whatever the camera has written."""
    cases = {
        "high ISO": ([], [(34855, 4, 1, struct.pack("<I", 204_800))]),
        "ISO of two": ([], [(34855, 3, 2, struct.pack("<HH", 100, 200))]),
        "by nothing": ([], [rational(33434, (1, 0)), rational(37386, (0, 0))]),
        "lens without apertures": ([], [rational(42034, (24, 1), (70, 1), (0, 0), (0, 0))]),
        "no date": ([text(306, "    :  :     :  :  ")], [text(36867, "0000:00:00 00:00:00")]),
        "odd dates": ([text(306, "2024-05-06T07:08:09")], [text(36867, "2024:05:06 07:08:60")]),
        "leap of a day": ([text(306, "2023:02:29 00:00:00")], [text(36881, "02:00")]),
        "sub-seconds": ([], [text(37521, "12  "), text(37522, "a")]),
        "Latin-1": ([(315, 2, 5, b"Zo\xeb \0"), (33432, 2, 9, b"\xa9 A\0\xa9 B\0\0")], []),
        "memory behind the end": ([(271, 2, 12, b"Canon\0rubbish"[:12])], []),
        "escape": ([text(270, "a\x1b[31mb\tc\nd")], []),
        "long": ([text(270, "x" * 9000)], []),
    }
    files = []
    for number, (base, camera) in enumerate(cases.values()):
        photo = opened(saved(Image.new("RGB", (4, 4)), "JPEG", exif=exif_block([*base, text(272, "M")], camera)))
        chosen = kept(photo, Metadata.KEEP)
        files.append(tmp_path / f"{number:02}.png")
        files[-1].write_bytes(encoded(photo.rgb, photo, exif=chosen.exif, xmp=chosen.xmp))
    assert faults(*files) == ""
    found = dict(zip(cases, tags(*files), strict=True))
    assert found["high ISO"]["EXIF:ISO"] == 65535
    assert found["high ISO"]["EXIF:RecommendedExposureIndex"] == 204_800
    assert found["ISO of two"]["EXIF:ISO"] == 100
    assert not {"EXIF:ExposureTime", "EXIF:FocalLength"} & found["by nothing"].keys()
    assert found["lens without apertures"]["EXIF:LensInfo"] == "24 70 undef undef"
    assert not {"EXIF:ModifyDate", "EXIF:DateTimeOriginal"} & found["no date"].keys()
    assert found["odd dates"]["EXIF:ModifyDate"] == "2024:05:06 07:08:09"
    assert found["odd dates"]["EXIF:DateTimeOriginal"] == "2024:05:06 07:08:59"
    assert not {"EXIF:ModifyDate", "EXIF:OffsetTimeOriginal"} & found["leap of a day"].keys()
    assert found["sub-seconds"]["EXIF:SubSecTimeOriginal"] == 12
    assert "EXIF:SubSecTimeDigitized" not in found["sub-seconds"]
    assert found["Latin-1"]["EXIF:Artist"] == "Zoë"
    assert found["Latin-1"]["EXIF:Copyright"] == "© A; © B"
    assert found["memory behind the end"]["EXIF:Make"] == "Canon"
    assert found["escape"]["EXIF:ImageDescription"] == "a[31mb\tc\nd"
    assert len(found["long"]["EXIF:ImageDescription"]) == 2000
