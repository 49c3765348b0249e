"""What the program's own cut-outs say of their photos: the salted JPEG through `bgzero cut`, and through the daemon."""

import time

from bgzero_daemon.core.recipe import Metadata
from tests.home import Home, until
from tests.photo.test_exiftool import PRIVATE, SALT, USEFUL, faults, salted, tags, unpacked


def test_place_serial_owner_and_thumbnail_are_nowhere_in_the_png(home: Home) -> None:
    """Not in any chunk, unpacked or not; date, stars, keywords, creator and rights are read back as they were."""
    source = home.root / "photo.jpg"
    source.write_bytes(salted()["jpg"])
    began = time.time()
    assert home.bgzero("cut", source, "-o", home.root / "safe.png").returncode == 0
    file = home.root / "safe.png"
    content = file.read_bytes()
    for kind, payload in unpacked(content):
        assert SALT.encode() not in payload, kind
        assert SALT.encode("utf-16-le") not in payload, kind
        assert kind == b"IDAT" or b"\xff\xd8\xff" not in payload, kind
    (found,) = tags(file)
    assert {name: found.get(name) for name in USEFUL} == USEFUL
    assert not found.keys() & {name for _value, name in PRIVATE.values()}
    assert faults(file) == ""
    assert file.stat().st_mtime >= began - 2, "the file's own time is that of its writing"
    assert home.bgzero("cut", source, "-o", home.root / "again.png").returncode == 0
    assert (home.root / "again.png").read_bytes() == content


def test_cut_takes_a_policy(home: Home) -> None:
    """`--metadata` wins over the configuration; the former name of "safe" is no choice on the command line."""
    source = home.root / "photo.jpg"
    source.write_bytes(salted()["jpg"])
    for policy in (Metadata.KEEP, Metadata.NONE):
        done = home.bgzero("cut", source, "-o", home.root / f"{policy}.png", "--metadata", policy.value)
        assert done.returncode == 0, done.stderr
    kept, bare = tags(home.root / "keep.png", home.root / "none.png")
    assert {name for _value, name in PRIVATE.values()} <= kept.keys()
    assert not [name for name in bare if name.startswith(("EXIF:", "XMP:", "PNG:PixelsPerUnit"))]
    assert faults(home.root / "keep.png", home.root / "none.png") == ""
    assert home.bgzero("cut", source, "--metadata", "all").returncode == 2


def test_daemon_takes_it_from_the_configuration_and_tells_of_credentials(home: Home) -> None:
    """The folder's policy holds, under its former name too; log and history say that Content Credentials are gone."""
    (home.inbox / "photo.jpg").write_bytes(salted()["jpg"])
    with home.daemon(BGZERO_OUTPUT__METADATA="no-location") as daemon:
        daemon.wait_for("photo.png")
        until(lambda: "without its Content Credentials" in daemon.log, lambda: daemon.log)
        print(home.bgzero("history").stdout.decode())
        assert b"without its Content Credentials" in home.bgzero("history").stdout
    (found,) = tags(home.outbox / "photo.png")
    assert found["XMP:Rating"] == 4
    assert "EXIF:GPSLatitude" not in found
