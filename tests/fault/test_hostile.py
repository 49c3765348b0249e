"""Pictures that are odd, hostile or none at all, through the running daemon: rows F08 to F13."""

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from tests.fault.test_worker import failures
from tests.home import Home, photo, until
from tests.photo.handmade import chunk
from tests.photo.pictures import saved
from tests.photo.test_limits import BOMBS
from tests.photo.test_recognition import NO_PHOTOS

QUICK = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1", "BGZERO_WATCH__MAX_WAIT_SECONDS": "0", "BGZERO_LIMITS__MEGAPIXELS": "1"}
LOG_BYTES = 1000  # of log that one bad file may cost


def bright(size: tuple[int, int] = (120, 80)) -> Image.Image:
    """The picture that the tiny network cuts: a bright shape on a dark ground."""
    out = io.BytesIO()
    pixels = np.full((size[1], size[0], 3), 10, np.uint8)
    pixels[size[1] // 4 : 3 * size[1] // 4, size[0] // 4 : 3 * size[0] // 4] = 240
    Image.fromarray(pixels).save(out, "PNG")
    return Image.open(out)


def png_with(*extra: bytes, size: tuple[int, int] = (60, 40)) -> bytes:
    """A good PNG with chunks of somebody's behind its header."""
    content = saved(bright(size), "PNG")
    return content[:33] + b"".join(extra) + content[33:]


def zipped_text(kind: bytes, length: int) -> bytes:
    """A compressed chunk that unpacks to so many bytes: iCCP or zTXt."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(b"\0" * (1 << 20)) for _part in range(length >> 20)) + packer.flush()
    return chunk(kind, b"x\0\0" + body)


def all_failed(home: Home, names: list[str]) -> dict[str, str]:
    """Wait until these photos failed, and nothing else; return why."""
    until(lambda: set(failures(home)) >= set(names), lambda: f"{set(names) - set(failures(home))} fail")
    said = failures(home)
    assert set(said) == set(names)
    return said


@pytest.mark.fault("F08")
def test_bombs_are_refused_by_their_headers(home: Home) -> None:
    """Kilobytes that announce gigabytes, in every format, a file beyond the limit, and a good photo between them."""
    for form, content in BOMBS.items():
        (home.inbox / f"{form}.{form.lower()}").write_bytes(content)
    with (home.inbox / "long.jpg").open("wb") as file:
        file.write(saved(bright(), "JPEG"))
        file.truncate(30_000_000)
    photo(home.inbox / "good.jpg")
    with home.daemon(**QUICK, BGZERO_LIMITS__MEGABYTES="20") as daemon:
        daemon.wait_for("good.png")
        said = all_failed(home, ["long.jpg", *(f"{form}.{form.lower()}" for form in BOMBS)])
        for name, sentence in said.items():
            assert sentence.startswith("too-large: "), sentence
            assert sentence.endswith("in the configuration."), sentence
            assert ("limit is 20 MB" if name == "long.jpg" else "megapixels; the limit is 1.") in sentence
        log = daemon.log
        for name in said:
            assert sum(len(line) for line in log.splitlines() if name in line) <= LOG_BYTES, name


@pytest.mark.fault("F08")
def test_bombs_in_texts_and_profiles_cost_neither_memory_nor_a_photo(home: Home) -> None:
    """100 MB of zeros in a comment or a profile of 100 kB are left out; a real profile of some megabytes is kept."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    large = bytearray(profile + np.random.default_rng(0).integers(0, 255, 3_000_000, np.uint8).tobytes())
    large[:4] = struct.pack(">I", len(large))
    (home.inbox / "text.png").write_bytes(png_with(zipped_text(b"zTXt", 100 << 20)))
    (home.inbox / "profile.png").write_bytes(png_with(zipped_text(b"iCCP", 100 << 20)))
    (home.inbox / "texts.png").write_bytes(png_with(*[zipped_text(b"zTXt", 1 << 20) for _n in range(200)]))
    (home.inbox / "real.png").write_bytes(png_with(chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(large)))))
    with home.daemon(**QUICK, BGZERO_WORKER__MEMORY_LIMIT="0.5") as daemon:
        daemon.wait_for("real.png", "text.png", "texts.png", "profile.png")
        until(lambda: daemon.log.count(": done") == 4, lambda: daemon.log)
        assert daemon.log.count("(without its comments and profile, which are too large)") == 3
        assert "tried again" not in daemon.log, "no worker had to be killed"
    with Image.open(home.outbox / "real.png") as cut:
        assert len(cut.info["icc_profile"]) == len(large)


@pytest.mark.fault("F54")
def test_chatter_of_decoders_stays_out_of_the_log(home: Home) -> None:
    """libtiff has something to say about every line of a damaged fax."""
    page = Image.fromarray((np.random.default_rng(0).random((2000, 400)) > 0.9).astype(np.uint8) * 255).convert("1")
    content = bytearray(saved(page, "TIFF", compression="group4"))
    for at in range(100, len(content) - 400, 97):
        content[at] ^= 0x55
    (home.inbox / "fax.tif").write_bytes(content)
    with home.daemon(**QUICK, BGZERO_LOG__LEVEL="info") as daemon:
        until(lambda: "fax.tif:" in daemon.log, lambda: daemon.log)
        photo(home.inbox / "good.jpg")
        daemon.wait_for("good.png")
        assert "Fax4" not in daemon.log
        assert len(daemon.log) < 2000


@pytest.mark.fault("F09")
def test_sixteen_bit_grey_keeps_its_tones(home: Home) -> None:
    """A dark and a bright half stay what they are; clipping would make both white."""
    values = np.full((40, 60), 67 * 257, np.uint16)
    values[10:30, 15:45] = 59_000  # scaled to 230; by their lower bytes to 120
    for suffix in ("png", "tif"):
        Image.fromarray(values).save(home.inbox / f"{suffix}.{suffix}")
    assert home.once(**QUICK).returncode == 0
    for suffix in ("png", "tif"):
        with Image.open(home.outbox / f"{suffix}.png") as cut:
            assert cut.getpixel((30, 20)) == (230, 230, 230, 255)


@pytest.mark.fault("F10")
@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK", "LAB", "F", "I;16", "YCbCr"])
def test_every_kind_of_pixel_is_cut(home: Home, mode: str) -> None:
    """Whatever a photo is made of: the bright shape is there, the ground is not."""
    picture = bright()
    if mode == "F":
        picture = picture.convert("L").convert("F")
    elif mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)
    elif mode == "LAB":
        rgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(picture, rgb, lab, outputMode="LAB")
        assert converted
        picture = converted
    else:
        picture = picture.convert(mode)
    picture.save(home.inbox / "a.tif")
    assert home.once(**QUICK).returncode == 0
    with Image.open(home.outbox / "a.png") as cut:
        assert cut.mode == "RGBA"
        pixel = cut.getpixel((60, 40))
        assert isinstance(pixel, tuple)
        assert min(pixel) > 200, pixel
        assert cut.getpixel((2, 2)) == (0, 0, 0, 0)


@pytest.mark.fault("F11")
def test_first_of_many_pictures_is_cut_and_the_history_says_so(home: Home) -> None:
    """Animated GIF, WebP and PNG, a TIFF of three pages."""
    frames = [bright(), bright().rotate(90), Image.new("RGB", (120, 80))]
    for suffix in ("gif", "webp", "png", "tif"):
        frames[0].save(home.inbox / f"{suffix}.{suffix}", save_all=True, append_images=frames[1:])
    with home.daemon(**QUICK) as daemon:
        daemon.wait_for("gif.png", "webp.png", "png.png", "tif.png")
        until(lambda: daemon.log.count("(first of 3 pictures)") == 4, lambda: daemon.log)
        told = json.loads(home.bgzero("history", "--json").stdout)["photos"]
        assert {photo["sentence"] for photo in told} == {"first of 3 pictures"}
        assert home.bgzero("history").stdout.count(b"(first of 3 pictures)") == 4


@pytest.mark.fault("F12")
def test_all_eight_orientations_give_one_cutout(home: Home) -> None:
    """Turned once, and the cut-out carries no orientation that would turn it again."""
    upright = np.full((40, 60, 3), 10, np.uint8)
    upright[5:20, 5:40] = 240
    # EXIF 2.32, tag 274: what has to be done to the stored picture
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    for orientation, turn in undo.items():
        stored = Image.fromarray(upright) if turn is None else Image.fromarray(upright).transpose(Image.Transpose(turn))
        exif = Image.Exif()
        exif[274] = orientation
        stored.save(home.inbox / f"{orientation}.png", exif=exif)
    assert home.once(**QUICK).returncode == 0
    cuts = [np.asarray(Image.open(home.outbox / f"{number}.png")) for number in undo]
    assert all(cut.shape == cuts[0].shape for cut in cuts)
    assert all(np.abs(cut.astype(int) - cuts[0].astype(int)).max() <= 2 for cut in cuts)
    assert all(274 not in Image.open(home.outbox / f"{number}.png").getexif() for number in undo)


@pytest.mark.fault("F13")
def test_what_is_no_photo_is_told_in_words(home: Home) -> None:
    """A page, a film, a program under a photo's name: each fails with a sentence, and can be listed and dismissed."""
    names = {what: f"{what.replace(' ', '-')}.jpg" for what in NO_PHOTOS}
    for what, name in names.items():
        (home.inbox / name).write_bytes(NO_PHOTOS[what])
    (home.inbox / "diary.txt").write_text("Dear diary\n")
    with home.daemon(**QUICK) as daemon:
        said = all_failed(home, list(names.values()))
        assert "This is an HTML page, not a photo." in said["HTML.jpg"]
        assert "This is a video file, not a photo." in said["MP4.jpg"]
        assert "This is a text file, not a photo." in said["text.jpg"]
        assert "The file is empty." in said["empty.jpg"]
        for name in names.values():
            assert sum(len(line) for line in daemon.log.splitlines() if name in line) <= LOG_BYTES, name
        assert "diary" not in daemon.log
        assert f", {len(names)} failed,".encode() in home.bgzero("status").stdout
        assert home.bgzero("failed", "dismiss", "--all").returncode == 0
        assert not failures(home)


@pytest.mark.fault("F13")
def test_absurd_metadata_costs_no_photo(home: Home) -> None:
    """EXIF that points nowhere, to itself, and claims four thousand million values: the pixels are cut."""
    entries = {
        "nowhere": struct.pack("<HHII", 0x8769, 4, 1, 0xFFFFFFF0),
        "itself": struct.pack("<HHII", 0x8769, 4, 1, 8),
        "many": struct.pack("<HHII", 0x010F, 2, 0xFFFFFFFF, 26),
        "turned": struct.pack("<HHII", 274, 3, 1, 0xFFFF),
    }
    for name, entry in entries.items():
        exif = b"Exif\0\0" + b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + b"\0" * 8
        content = saved(bright(), "JPEG")
        segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        (home.inbox / f"{name}.jpg").write_bytes(content[:2] + segment + content[2:])
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "\x1b[31m" + "x" * 900_000)
    bright().save(home.inbox / "long.png", pnginfo=info)
    assert home.once(**QUICK).returncode == 0
    assert home.visible() == ["itself.png", "long.png", "many.png", "nowhere.png", "turned.png"]


def test_crowd_of_hostile_files_harms_no_good_photo(home: Home) -> None:
    """A tenth of benchmarks/hostile.py: damaged, bombs, pages, pipes, and photos that crash, hang and eat memory."""
    command = [sys.executable, str(Path(__file__).parents[2] / "benchmarks" / "hostile.py"), "--files", "100"]
    done = subprocess.run([*command, "--model", str(home.models / "tiny.onnx")], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
