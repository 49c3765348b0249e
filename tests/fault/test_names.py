"""Names that attack, collide or belong to nobody: rows F39 to F42 and F57 of the fault table."""

import json
import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from bgzero_daemon.core.names import from_wire
from tests.home import Home, photo, until

NEVER = {"BGZERO_WATCH__RESCAN_SECONDS": "3600"}


def put(home: Home, name: bytes, seed: int = 0) -> None:
    """Put a photo into the inbox under a name of any bytes."""
    source = photo(home.root / "made.jpg", seed=seed)
    os.rename(source, os.path.join(os.fsencode(home.inbox), name))


def outputs(home: Home) -> set[bytes]:
    """The visible outputs, as bytes."""
    return {name for name in os.listdir(os.fsencode(home.outbox)) if not name.startswith(b".")}


@pytest.mark.fault("F39")
def test_twins_in_case_and_in_unicode_form_both_survive(home: Home) -> None:
    """a.jpg and A.JPG, é composed and decomposed, and three of one stem: six photos, six outputs."""
    composed, decomposed = (unicodedata.normalize(form, "é.jpg").encode() for form in ("NFC", "NFD"))
    names = [b"a.jpg", b"A.JPG", composed, decomposed, b"a.bmp", b"a.webp"]
    for seed, name in enumerate(names):
        put(home, name, seed)
    done = home.once()
    assert done.returncode == 0, done.stderr
    assert len(outputs(home)) == 6


HOSTILE = [
    b"new\nline.jpg",
    b"\x1b[31mred\x1b[0m.jpg",
    b"bell\x07.jpg",
    "right\u202egpj.exe.jpg".encode(),
    "zero\u200bwidth.jpg".encode(),
    b"%n%s%d{0}{x}.jpg",
    b"<b>bold&amp;.jpg",
    b"-rf.jpg",
    b"$(touch pwned).jpg",
    b"`touch pwned`;.jpg",
    b"quote'\".jpg",
    b"tab\tand space .jpg",
    b"back\\slash.jpg",
    b"carriage\rreturn.jpg",
    "surrogate\ud800.jpg".encode("utf-8", "surrogatepass"),
    "line\u2028separator.jpg".encode(),
    "日本語😀.jpg".encode(),
    b"stop.txt.jpg",
]


@pytest.mark.fault("F40")
def test_hostile_names_are_cut_and_cannot_forge_the_log(home: Home) -> None:
    """Every photo comes out under its name; the log has one printable line for each."""
    with home.daemon(**NEVER) as daemon:
        for seed, name in enumerate(HOSTILE):
            put(home, name, seed)
        until(lambda: len(outputs(home)) == len(HOSTILE), f"all of them\n{daemon.log}")
        until(lambda: daemon.log.count(": done") == len(HOSTILE), "all lines")
        assert outputs(home) == {name.removesuffix(b".jpg") + b".png" for name in HOSTILE}
        lines = daemon.log.splitlines()
        assert sum(": done" in line for line in lines) == len(HOSTILE)
        assert all(line.isprintable() for line in lines), [line for line in lines if not line.isprintable()]
        assert not (home.root / "pwned").exists()


@pytest.mark.fault("F41")
@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "POSIX"])
def test_name_that_is_no_utf8_is_carried_through(home: Home, locale: str) -> None:
    """Bytes from end to end, in folders too, whatever the locale; the tag in the output names it percent-encoded."""
    with home.daemon(LC_ALL=locale, LANG=locale, **NEVER) as daemon:
        os.mkdir(os.path.join(os.fsencode(home.inbox), b"f\xfe"))
        put(home, b"f\xfe/bad\xff.jpg")
        wanted = os.path.join(os.fsencode(home.outbox), b"f\xfe", b"bad\xff.png")
        until(lambda: os.path.exists(wanted), f"the output\n{daemon.log}")
    with Image.open(os.fsdecode(wanted)) as cutout:
        source = json.loads(cutout.text["bgzero"])["source"]  # type: ignore[attr-defined]
    assert source == "bad%FF.jpg"
    assert os.fsencode(from_wire(source)) == b"bad\xff.jpg"


@pytest.mark.fault("F42")
def test_longest_names_and_deep_trees_come_out(home: Home) -> None:
    """255 bytes, of which the output needs more; umlauts that must not be cut in two; twenty folders deep."""
    names = [b"x" * 251 + b".jpg", b"y" * 250 + b".jpeg", b"a" + "ü".encode() * 126 + b".x", b"z" * 250 + b".a.b"]
    for seed, name in enumerate(names):
        put(home, name, seed)
    put(home, b"x" * 251 + b".bmp", 9)
    deep = Path(*(["d" * 100] * 20))
    photo(home.inbox / deep / "a.jpg")
    done = home.once()
    assert done.returncode == 0, done.stderr
    assert (home.outbox / deep / "a.png").is_file()
    made = outputs(home) - {b"d" * 100}
    assert len(made) == 5
    assert all(len(name) <= 255 for name in made)
    for name in made:
        name.decode()


JUNK = [
    "._a.jpg", ".hidden.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "~$a.jpg", "a.jpg~", "a.jpg.part",
    "a.jpg.partial", "a.jpg.filepart", "a.jpg.crdownload", "a.jpg.download", "a.jpg.opdownload", "a.jpg.tmp",
    "a.TMP", "a.jpg.temp", "a.jpg.!qB", ".syncthing.a.jpg.tmp", "~syncthing~a.jpg.tmp", ".sync.ffs_db",
    ".goutputstream-AB12CD", ".nfs000000001", ".fuse_hidden0001", "tmpfileAb3dE6", ".bgz-0011.tmp",
    "x.digikamtempfile.a.jpg", ".a.jpg.Xy12Zw", "a.jpg.Xy12Zw", "a.jpeg.abc_12",
    "rpd-tmp-1/a.jpg", "@eaDir/a.jpg", "@EADIR/a.jpg", ".stfolder/a.jpg", ".stversions/a.jpg",
    ".dropbox.cache/a.jpg", ".Trash-1000/a.jpg", "__MACOSX/a.jpg", "lost+found/a.jpg", "#recycle/a.jpg",
    "deep/.git/a.jpg", "deep/.thumbnails/a.jpg",
]  # fmt: skip
GOOD = ["a.sync-conflict-20240101.jpg", "tmp.jpg", "part.jpg", "a.part.jpg", "temp/b.jpg", "a copy.jpg", "IMG~1.JPG"]


@pytest.mark.fault("F57")
def test_junk_is_left_alone_and_photos_that_look_a_little_like_it_are_not(home: Home) -> None:
    """Whole photos under each name: none of the first list is cut, each of the second is."""
    for seed, name in enumerate([*JUNK, *GOOD]):
        target = home.inbox / name
        target.parent.mkdir(parents=True, exist_ok=True)
        photo(home.root / "made.jpg", seed=seed).rename(target)
    done = home.once()
    assert done.returncode == 0, done.stderr
    made = sorted(str(path.relative_to(home.outbox)) for path in home.outbox.rglob("*.png"))
    assert made == sorted(str(Path(name).with_suffix(".png")) for name in GOOD)
