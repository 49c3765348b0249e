"""`bgzero integrate`: what was installed is started as file managers start it, and the PNG is beside the photo."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest

from bgzero_daemon.install import desktop, thunar
from tests.flow.doctoring import NOTE, OK, SKIPPED, WRONG, Patient, worst
from tests.home import PROGRAM, Home, photo, until

# What a camera never writes and people do: each breaks another quoting.
NAMES = (
    "-o.jpg", "-", "a b.jpg", "it's \"100%\".jpg", "%f %U %%.jpg", "$HOME `id` $(id) ;&|.jpg", "back\\slash.jpg",
    "*?[a].jpg", "two\nlines.jpg", "file:%20é#?.jpg", "not-utf8-\udcff.jpg",
)  # fmt: skip
NOTIFY = """#!/bin/sh
for word; do printf '%s\\0' "$word"; done >> "$TOLD"
echo >> "$TOLD"
"""


@pytest.fixture
def album(home: Home) -> Path:
    """A folder of photos whose names are hostile."""
    folder = home.root / "my album"
    for number, name in enumerate(NAMES):
        photo(folder / name, seed=number, format="JPEG")
    return folder


@pytest.fixture
def told(home: Home) -> Path:
    """What is shown to the user: a file that a stand-in for notify-send adds to."""
    stand_in = home.root / "bin" / "notify-send"
    stand_in.parent.mkdir()
    stand_in.write_text(NOTIFY)
    stand_in.chmod(0o755)
    file = home.root / "told"
    home.env |= {"PATH": f"{stand_in.parent}{os.pathsep}{home.env['PATH']}", "TOLD": str(file)}
    return file


def install(home: Home, *names: str, program: str | Path = PROGRAM[0]) -> str:
    """Install for file managers of these names."""
    words = [program, "integrate", "install", *names]
    done = subprocess.run(words, env=home.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cutouts(folder: Path) -> set[str]:
    """The cut-outs beside the photos."""
    return {path.name for path in folder.glob("[!.]*-cutout.png") if path.read_bytes()[:4] == b"\x89PNG"}


EXPECTED = {f"{os.path.splitext(name)[0]}-cutout.png" for name in NAMES}


UNESCAPED = "!$&'()*+,/:=@~"


def uris(files: Sequence[Path]) -> str:
    """What Nautilus writes into its variable (`g_file_get_uri`)."""
    return "".join(f"file://{quote_from_bytes(os.fsencode(file), safe=UNESCAPED)}\n" for file in files)


def run_script(home: Home, folder: Path, variable: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Start a script as Nautilus does: in the folder, with names that went through GLib and lost what has a %."""
    (script,) = (home.root / "data" / "nautilus" / "scripts").iterdir()
    env = home.env | {"NAUTILUS_SCRIPT_SELECTED_URIS": variable}
    return subprocess.run([script, *arguments], cwd=folder, env=env, capture_output=True, timeout=60)


def test_nautilus_cuts_photos_of_any_name(home: Home, album: Path, told: Path) -> None:
    """By the variable, where names are whole; the arguments are what else there is."""
    assert "Remove background" in install(home, "nautilus")
    files = [album / name for name in NAMES]
    done = run_script(home, album, uris(files), *(name.replace("%", "") for name in NAMES))
    assert done.returncode == 0, done.stderr
    assert cutouts(album) == EXPECTED
    for name in EXPECTED:
        (album / name).unlink()
    done = run_script(home, album, "", "-o.jpg", "-")
    assert done.returncode == 0, done.stderr
    assert cutouts(album) == {"-o-cutout.png", "--cutout.png"}
    assert not told.exists(), "nothing went wrong"


def as_argument(file: Path) -> bytes:
    """Quote a name for a shell, as `g_shell_quote` does."""
    return shlex.quote(os.fsdecode(file)).encode("utf-8", "surrogateescape")


def test_thunar_cuts_photos_of_any_name(home: Home, album: Path) -> None:
    """The command goes through a shell, with the names quoted (thunar-uca, libxfce4util)."""
    install(home, "thunar")
    action = thunar.find((home.root / "config" / "Thunar" / "uca.xml").read_bytes())
    assert action is not None
    names = b" ".join(as_argument(album / name) for name in NAMES)
    command = action.texts["command"].encode().replace(b"%F", names)
    done = subprocess.run(["/bin/sh", "-c", command], cwd=album, env=home.env, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert cutouts(album) == EXPECTED


@pytest.mark.skipif(not shutil.which("gio"), reason="NO gio HERE")
def test_exec_line_cuts_photos_of_any_name(home: Home, album: Path) -> None:
    """The line of Dolphin's menu, read and started by GLib as that of any program."""
    program = home.root / 'a "$b" `c`' / "bgzero"
    program.parent.mkdir()
    program.symlink_to(PROGRAM[0])
    install(home, "dolphin", program=program)
    menu = home.root / "data" / "kio" / "servicemenus" / f"{desktop.APP_ID}.desktop"
    assert menu.stat().st_mode & 0o777 == 0o755, "KDE starts no other"
    line = re.findall(r"^Exec=.*$", menu.read_text(), re.MULTILINE)[-1]
    entry = home.root / "entry.desktop"
    entry.write_text(f"[Desktop Entry]\nType=Application\nName=x\n{line}\n")
    files = [album / name for name in NAMES]
    subprocess.run(["gio", "launch", entry, *files], env=home.env, timeout=60, check=True)
    until(lambda: cutouts(album) == EXPECTED, lambda: f"cut-outs, have {cutouts(album)}")


def test_failures_reach_whoever_clicked(home: Home, told: Path) -> None:
    """A photo that is none, one that lies elsewhere, a program that is gone: told, with names that are no markup."""
    folder = home.root / "album"
    photo(folder / "good.jpg")
    (folder / "<b>&.jpg").write_bytes(b"<html>")
    install(home, "nautilus")
    done = run_script(home, folder, f"smb://nas/p.jpg\n{uris([folder / 'good.jpg'])}")
    assert (done.returncode, cutouts(folder)) == (4, {"good-cutout.png"})
    assert "1 photo was not cut" in told.read_text()
    told.unlink()
    bad = uris([folder / "<b>&.jpg", folder / "good.jpg"])
    done = run_script(home, folder, f"smb://nas/p.jpg\n{bad}")
    assert done.returncode == 4
    assert cutouts(folder) == {"good-cutout.png"}
    *_options, title, body = told.read_text().removesuffix("\0\n").split("\0")
    assert title == "2 photos were not cut"
    assert body.splitlines()[0] == "smb://nas/p.jpg: it is not in a folder of this computer."
    assert "&lt;b&gt;&amp;.jpg: " in body.splitlines()[1]
    assert b"<b>&.jpg: " in done.stderr

    told.unlink()
    home.env["BGZERO_MODEL__NAME"] = "no-such-model"
    assert run_script(home, folder, bad).returncode != 0
    assert "no-such-model" in told.read_text()
    told.unlink()
    assert run_script(home, folder, "").returncode == 1
    assert "Choose photos first" in told.read_text()
    told.unlink()
    (script,) = (home.root / "data" / "nautilus" / "scripts").iterdir()
    script.write_text(script.read_text().replace(f"program={PROGRAM[0]}", "program=/nowhere/bgzero"))
    assert run_script(home, folder, bad).returncode == 1
    assert "has moved" in told.read_text()


def test_failure_without_notifications_is_a_failure(home: Home) -> None:
    """No notify-send on this machine: the exit code and standard error tell."""
    (home.root / "bad.jpg").write_bytes(b"<html>")
    done = home.bgzero("cut", "--notify", "--", home.root / "bad.jpg", PATH="/nowhere")
    assert (done.returncode, done.stderr.count(b"bad.jpg")) == (4, 1)


def status(home: Home, code: int = 0) -> dict[str, dict[str, object]]:
    """`bgzero integrate status --json`, by name."""
    done = home.bgzero("integrate", "status", "--json")
    assert done.returncode == code, done.stderr
    return {part["name"]: part for part in json.loads(done.stdout)["parts"]}


def test_status_tells_what_is_installed_and_purge_takes_it(home: Home) -> None:
    """Named managers and the desktop's menu, nobody else's; their own actions stay, and a broken file is told."""
    uca = home.root / "config" / "Thunar" / "uca.xml"
    uca.parent.mkdir(parents=True)
    uca.write_text("<actions><action><name>mine</name></action></actions>")
    assert not any(part["installed"] for part in status(home).values())
    install(home, "thunar", "caja")
    assert home.bgzero("integrate", "autostart", "on").returncode == 0
    assert {name for name, part in status(home).items() if part["installed"]} == {
        "menu", "icons", "thunar", "caja", "autostart",
    }  # fmt: skip
    assert all(part["program"] in (None, PROGRAM[0]) for part in status(home).values())
    done = home.bgzero("integrate", "remove", "caja")
    assert (done.returncode, status(home)["caja"]["installed"], status(home)["thunar"]["installed"]) == (0, False, True)
    whole = uca.read_bytes()
    uca.write_bytes(whole[:-20])
    assert status(home, 1)["thunar"]["wrong"]
    done = home.bgzero("integrate", "install", "thunar", "caja")
    assert (done.returncode, b"left as it is" in done.stderr) == (1, True)
    assert status(home, 1)["caja"]["installed"], "the others are installed"
    uca.write_bytes(whole)
    done = home.bgzero("integrate", "remove")
    assert b"autostart off" in done.stdout
    assert {name for name, part in status(home).items() if part["installed"]} == {"autostart"}
    assert uca.read_text() == "<actions><action><name>mine</name></action></actions>"
    install(home, "nautilus", "thunar")
    done = home.bgzero("service", "uninstall", "--purge")
    assert done.returncode == 0, done.stderr
    assert not any(part["installed"] for part in status(home).values())
    left = [file for file in home.root.rglob("*") if desktop.APP_ID in file.name or "Remove" in file.name]
    assert left == []
    assert uca.read_text() == "<actions><action><name>mine</name></action></actions>"


def test_managers_are_found_where_none_is_named(home: Home) -> None:
    """Those that are on this machine, and those for which something is there already; a named one goes alone."""
    assert "No file manager" in install(home)
    file = home.root / "bin" / "nemo"
    file.parent.mkdir()
    file.symlink_to("/bin/true")
    home.env["PATH"] = f"{file.parent}{os.pathsep}{home.env['PATH']}"
    assert "nemo" not in install(home, "caja")
    assert ["nemo" in (said := install(home)), "caja" in said, "thunar" in said] == [True, True, False]


def test_unknown_manager_is_told_with_the_nearest(home: Home) -> None:
    """Before anything is written."""
    done = home.bgzero("integrate", "install", "nautlius")
    assert (done.returncode, b"Did you mean nautilus?" in done.stderr) == (2, True)
    assert not (home.root / "data" / "applications").exists()


def test_doctor_finds_a_program_that_moved_and_mends_it(home: Home) -> None:
    """Of everything that starts it, by the commands as printed; an edited script is kept."""
    patient = Patient(home)
    assert worst(patient.look("integration")["integration"]) == SKIPPED
    other = home.root / "other" / "bgzero"
    other.parent.mkdir()
    other.symlink_to(PROGRAM[0])
    install(home, "nautilus", "thunar", program=other)
    assert subprocess.run([other, "integrate", "autostart", "on"], env=home.env).returncode == 0
    assert worst(patient.look("integration")["integration"]) == OK, "the same program by another name"
    other.unlink()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    said = patient.look("integration")["integration"]
    assert ["another installation" in one["sentence"] for one in said] == [True] * 4
    assert {one["verdict"] for one in said} == {NOTE}
    other.unlink()
    (script,) = (home.root / "data" / "nautilus" / "scripts").iterdir()
    edited = script.read_text() + "# mine\n"
    script.write_text(edited)
    said = patient.look("integration")["integration"]
    assert ["no such program" in one["sentence"] for one in said] == [True] * 4
    assert {one["verdict"] for one in said} == {WRONG}
    after = patient.look("integration", typed="\n".join(one["remedy"] for one in said))["integration"]
    assert worst(after) == OK, after
    assert (home.root / "config" / "autostart" / f"{desktop.APP_ID}.desktop").is_file()
    assert script.with_name("Remove background.old").read_text() == edited
