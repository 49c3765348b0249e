"""What `bgzero integrate` writes and takes away: only what is ours, byte for byte."""

import io
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.install import autostart, desktop, icons, integrate, marks, scripts, thunar
from bgzero_daemon.install.marks import Standing
from bgzero_daemon.install.parts import Icons, Sealed, Thunar

PROGRAM = Path('/opt/b g/it\'s "$HOME" `x` \\ é/bgzero')
OTHER = Path("/usr/bin/bgzero")
TERMINAL = """<action>
	<icon>utilities-terminal</icon>
	<name>Open "Terminal" &amp; more</name>
	<unique-id>1-1</unique-id>
	<command><![CDATA[exo-open --working-directory %f </command> ]]></command>
	<patterns>*</patterns><directories/>
</action>"""
FILES = {
    "as Thunar writes it": f'<?xml version="1.0" encoding="UTF-8"?>\n<actions>\n{TERMINAL}\n</actions>\n',
    "with comments and types": f"<!DOCTYPE actions [<!ELEMENT icon (#PCDATA)>]>\n<actions><!-- é <action> -->{TERMINAL}"
    f"\n\n  {TERMINAL.replace('1-1', '1-2')}<!-- mine --></actions><!-- end -->",
    "empty": "<actions/>",
    "with empty actions": f"<actions><action/>{TERMINAL}<action/></actions>",
    "empty, in two": thunar.EMPTY.decode(),
    "in another encoding": f'<?xml version="1.0" encoding="ISO-8859-1"?><actions>{TERMINAL}<!-- \udce9 --></actions>',
}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account without anything, on a machine without anything."""
    for name, folder in (("DATA_HOME", "data"), ("CONFIG_HOME", "config"), ("CONFIG_DIRS", "xdg")):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path / folder))
    return tmp_path


def actions(raw: bytes) -> list[dict[str, str]]:
    """What an XML parser that is not ours finds in such a file."""
    return [{child.tag: child.text or "" for child in action} for action in ET.fromstring(raw)]


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_thunar_gets_one_action_more_and_loses_it_again(text: str) -> None:
    """Whoever wrote the file: ours is added once, starts the program, and is taken out without a trace."""
    raw = os.fsencode(text)
    merged = thunar.merge(raw, PROGRAM)
    *others, ours = actions(merged)
    assert others == actions(raw)
    assert shlex.split(ours["command"]) == [str(PROGRAM), "cut", "--notify", "--", "%F"]
    assert ours["image-files"] == ""
    assert thunar.merge(merged, PROGRAM) == merged
    dropped = thunar.drop(merged)
    assert dropped == raw or (text == "<actions/>" and actions(dropped) == [])
    assert thunar.drop(raw) == raw


def test_thunar_keeps_what_somebody_made_of_our_action() -> None:
    """A new name, a place, an option stay when the program moves; Thunar's own way of writing it is read, too."""
    text = f"""<actions>
<action><name>Freistellen</name><submenu></submenu><unique-id>{desktop.APP_ID}</unique-id>
<command>&apos;/old p/bgzero&apos; cut --model &quot;u2net&quot; --notify -- %F &amp;&amp; true</command>
<range></range></action>
{TERMINAL}
</actions>"""
    ours, other = actions(thunar.merge(text.encode(), PROGRAM))
    assert ours["name"] == "Freistellen"
    assert shlex.split(ours["command"]) == [
        str(PROGRAM),
        "cut",
        "--model",
        "u2net",
        "--notify",
        "--",
        "%F",
        "&&",
        "true",
    ]
    assert [other] == actions(f"<actions>{TERMINAL}</actions>".encode())
    emptied = text.replace(text[text.index("<command>") : text.index("<range>")], "<command/>")
    other, ours = actions(thunar.merge(emptied.encode(), PROGRAM))
    assert ours["command"].endswith(" cut --notify -- %F")


@pytest.mark.parametrize(
    "raw",
    [b"", b"<actions>", b"<actions><action></actions>", b"<html></html>", b"\xff\xfe<\0a\0/\0>\0", b"\0\1\2"],
)
def test_file_that_is_not_thunars_is_left_as_it_is(account: Path, raw: bytes) -> None:
    """Broken, or another thing: told with its name, and nothing is written; nothing of ours can be in there."""
    file = account / "config" / "Thunar" / "uca.xml"
    file.parent.mkdir(parents=True)
    file.write_bytes(raw)
    part = Thunar(file)
    with pytest.raises(BgzeroError, match=r"uca\.xml is not as Thunar writes it"):
        part.install(PROGRAM)
    assert (part.look().standing, part.remove()) == (Standing.MISSING, False)
    assert [(file, file.read_bytes()) for file in file.parent.iterdir()] == [(file, raw)]


def test_thunars_own_actions_do_not_go_when_there_was_no_file(account: Path) -> None:
    """Thunar reads one file: the machine's is where ours begins, and what it is again when ours is gone."""
    general = account / "xdg" / "Thunar" / "uca.xml"
    general.parent.mkdir(parents=True)
    general.write_text(FILES["with comments and types"])
    part = Thunar(account / "config" / "Thunar" / "uca.xml")
    assert part.install(PROGRAM)
    assert not part.install(PROGRAM)
    assert [action["unique-id"] for action in actions(part.file.read_bytes())] == ["1-1", "1-2", desktop.APP_ID]
    assert part.remove()
    assert not part.file.exists()
    general.unlink()
    assert part.install(PROGRAM)
    assert part.remove()
    assert not part.file.exists()


def test_linked_file_of_thunars_stays_a_link(account: Path) -> None:
    """Somebody keeps it elsewhere, for their own eyes."""
    real = account / "dotfiles.xml"
    real.write_text(FILES["as Thunar writes it"])
    real.chmod(0o600)
    file = account / "config" / "Thunar" / "uca.xml"
    file.parent.mkdir(parents=True)
    file.symlink_to(real)
    assert Thunar(file).install(PROGRAM)
    assert file.is_symlink()
    assert len(actions(real.read_bytes())) == 2
    assert real.stat().st_mode & 0o777 == 0o600


@given(name=st.text(st.characters(exclude_characters="/%", exclude_categories=("Cc", "Cs")), min_size=1, max_size=30))
@example(name="a b'c\"d$e`f\\g\\\\h=é#;")
def test_every_path_is_read_back_as_it_was_written(name: str) -> None:
    """By whoever mends it later: desktop files, scripts, Thunar's actions."""
    path = Path("/opt", name, "bgzero")
    for render in (desktop.application, desktop.autostart, desktop.service_menu):
        assert desktop.read_program(render(path)) == path
    assert scripts.read_program(scripts.render(path, "X")) == path
    action = thunar.find(thunar.merge(thunar.EMPTY, path))
    assert action is not None
    assert action.program == path


def test_program_is_quoted_by_the_specification() -> None:
    """Four signs by a backslash inside double quotes, and then every backslash as in any other value."""
    program = r'"/opt/b g/it\'s \\"\\$HOME\\" \\`x\\` \\\\ é/bgzero"'.replace("it\\'s", "it's")
    assert desktop.command(PROGRAM, "tray") == f"{program} tray"
    assert desktop.command(OTHER, *desktop.CUT) == "/usr/bin/bgzero cut --notify --"


@pytest.mark.skipif(not shutil.which("desktop-file-validate"), reason="NO desktop-file-validate HERE")
@pytest.mark.parametrize("path", [OTHER, PROGRAM, Path("/opt/a=b;c/bgzero")], ids=["plain", "odd", "signs"])
def test_desktop_files_are_valid(account: Path, path: Path) -> None:
    """Without a word, but for what only KDE knows: a service with types and actions."""
    file = account / f"{desktop.APP_ID}.desktop"
    for text, said in ((desktop.application(path), 0), (desktop.autostart(path), 0), (desktop.service_menu(path), 2)):
        file.write_text(text)
        done = subprocess.run(["desktop-file-validate", file], capture_output=True, text=True, timeout=60)
        lines = done.stdout.splitlines()
        assert len(lines) == said, lines
        assert all('the type is "Service" while this key is only valid' in line for line in lines)


def test_program_that_no_desktop_could_start_is_refused(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GLib looks for a%%b where a%b was meant; desktop files are lines of UTF-8."""
    for name in ("a%b", "a\nb", "a\udcffb"):
        folder = account / name
        folder.mkdir()
        (folder / "bgzero").symlink_to("/bin/true")
        monkeypatch.setattr("sys.argv", [str(folder / "bgzero")])
        with pytest.raises(BgzeroError, match="Desktops start no program"):
            desktop.own_program()


def part_named(name: str) -> Sealed:
    """A part that is a file of its own."""
    (part,) = (part for part in integrate.parts() if part.name == name)
    assert isinstance(part, Sealed)
    return part


@pytest.mark.parametrize("name", ["menu", "nautilus", "dolphin", "nemo", "caja"])
def test_part_is_installed_mended_and_removed(account: Path, name: str) -> None:
    """Written once, and again where the program moved or the file cannot be run any more; then gone."""
    part = part_named(name)
    assert part.look().standing is Standing.MISSING
    assert [part.install(PROGRAM), part.install(PROGRAM), part.look().program] == [True, False, PROGRAM]
    assert [part.install(OTHER), part.look().program] == [True, OTHER]
    assert part.file.stat().st_mode & 0o777 == (0o644 if name == "menu" else 0o755)
    if name != "menu":
        part.file.chmod(0o644)
        assert [part.install(OTHER), part.install(OTHER)] == [True, False]
        assert os.access(part.file, os.X_OK)
    assert [part.remove(), part.remove()] == [True, False]
    assert list(part.file.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["menu", "nautilus"])
def test_what_is_not_ours_is_neither_replaced_nor_removed(account: Path, name: str) -> None:
    """Edited, somebody else's, or a link to a file of ours."""
    part = part_named(name)
    part.install(PROGRAM)
    ours = part.file.read_text()
    part.file.write_text(f"{ours}# mine\n")
    assert part.look().program == PROGRAM
    with pytest.raises(BgzeroError, match="left as it is"):
        part.install(OTHER)
    with pytest.raises(BgzeroError, match="left as it is"):
        part.remove()
    assert part.file.read_text() == f"{ours}# mine\n"
    part.file.write_text("mine\n")
    assert (part.look().standing, part.remove(), part.file.read_text()) == (Standing.FOREIGN, False, "mine\n")
    with pytest.raises(BgzeroError, match="left as it is"):
        part.install(OTHER)
    real = part.file.with_name("real")
    real.write_text("mine, too\n")
    part.file.unlink()
    part.file.symlink_to(real)
    assert (part.remove(), part.file.is_symlink()) == (False, True)


def test_script_of_another_language_is_replaced_and_removed(account: Path) -> None:
    """Its name is what the menu says: the one with our mark is ours, whatever it is called; others stay."""
    part = part_named("nautilus")
    before = part.file.with_name("Hintergrund entfernen")
    mine = part.file.with_name("Rotate")
    marks.write(before, part.render(PROGRAM), mode=0o755)
    mine.write_text("#!/bin/sh\n")
    assert part.look().file == before
    assert part.install(OTHER)
    assert sorted(part.file.parent.iterdir()) == [part.file, mine]
    part.file.rename(before)
    assert part.remove()
    assert list(part.file.parent.iterdir()) == [mine]


def picture(side_px: int) -> bytes:
    """A PNG."""
    stream = io.BytesIO()
    Image.new("RGBA", (side_px, side_px), (9, 8, 7, 6)).save(stream, "PNG")
    return stream.getvalue()


SVG = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="1"/>\n'


@pytest.mark.parametrize("svg", [SVG, SVG.partition("\n")[2], SVG.replace("\n", "")], ids=["two", "bare", "one line"])
def test_marked_icons_are_the_same_pictures(svg: str) -> None:
    """Pillow and an XML parser read them as before; one byte more, and they are not ours."""
    marked = icons.stamp(picture(16))
    with Image.open(io.BytesIO(marked)) as image:
        image.load()
        assert (image.size, image.getpixel((3, 3))) == ((16, 16), (9, 8, 7, 6))
    drawn = icons.stamp(svg.encode())
    assert ET.fromstring(drawn).attrib == {"width": "1"}
    for icon in (marked, drawn):
        assert icons.is_ours(icon)
        assert not icons.is_ours(icon + b"\n")
    assert not any(map(icons.is_ours, (picture(16), svg.encode(), b"", b"\x89PNG\r\n\x1a\n")))


def test_icons_come_and_go(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ship are put into the theme; changed ones and other people's stay, those of older versions go."""
    assets = account / "package" / "tray" / "assets" / "icons" / "hicolor"
    places = [
        f"16x16/apps/{desktop.APP_ID}.png",
        "24x24/status/bgzero-paused.png",
        f"scalable/apps/{desktop.APP_ID}.svg",
    ]
    for place, content in zip(places, (picture(16), picture(24), SVG.encode()), strict=True):
        (assets / place).parent.mkdir(parents=True)
        (assets / place).write_bytes(content)
    monkeypatch.setattr(paths, "packaged", (account / "package").joinpath)
    theme = account / "data" / "icons" / "hicolor"
    part = Icons(theme)
    old, foreign = theme / f"8x8/apps/{desktop.APP_ID}.png", theme / "16x16/apps/other.png"
    marks.write(old, icons.stamp(picture(8)))
    marks.write(foreign, picture(16))
    assert [part.install(OTHER), part.install(OTHER)] == [True, False]
    (theme / places[0]).unlink()
    os.utime(theme, (1, 1))
    assert part.install(OTHER)
    assert theme.stat().st_mtime > 1, "caches of the theme are outdated now"
    there = sorted(str(file.relative_to(theme)) for file in theme.rglob("*") if file.is_file())
    assert there == sorted([*places, "16x16/apps/other.png"])
    (theme / places[0]).write_bytes(picture(16))
    assert not part.install(OTHER), "somebody's own picture"
    assert part.remove()
    assert {file for file in theme.rglob("*") if file.is_file()} == {theme / places[0], foreign}
    assert part.look().standing is Standing.MISSING


def test_start_at_login_is_switched(account: Path) -> None:
    """On, off, and both once more: a file of its own."""
    file = account / "config" / "autostart" / f"{desktop.APP_ID}.desktop"
    assert not autostart.is_enabled()
    autostart.disable()
    for _again in range(2):
        assert autostart.enable() == autostart.enable() == file
        assert autostart.is_enabled()
        assert desktop.read_program(file.read_text()) == desktop.own_program()
        assert desktop.keys(file.read_text())["Exec"].endswith("bgzero tray")
        autostart.disable()
        assert not autostart.is_enabled()
        assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("line", ["Hidden=true", "X-GNOME-Autostart-enabled=false", "X-MATE-Autostart-enabled = false"])
def test_what_desktops_write_is_honoured(account: Path, line: str) -> None:
    """They switch off instead of removing, and that is believed; switched on by us, their other keys stay."""
    file = autostart.enable()
    key = line.partition("=")[0].strip()
    file.write_text(file.read_text() + f"X-GNOME-Autostart-Delay=2\n{line}\n\n[Other]\n{key}=kept\n")
    assert not autostart.is_enabled()
    text = file.read_text()
    autostart.disable()
    assert file.read_text() == text
    file.write_text(text.replace(str(desktop.own_program()), "/old/bgzero"))
    autostart.enable()
    assert autostart.is_enabled()
    found = desktop.keys(file.read_text())
    assert (found["X-GNOME-Autostart-Delay"], key in found) == ("2", False)
    assert desktop.read_program(file.read_text()) == desktop.own_program()
    assert f"[Other]\n{key}=kept\n" in file.read_text()
    autostart.disable()
    assert not autostart.is_enabled()
    assert "Autostart-Delay=2" in file.read_text(), "somebody's own line"


def test_start_at_login_that_a_package_brings_is_hidden_and_shown(account: Path) -> None:
    """The machine's own file starts it, too; the account's goes before it."""
    general = account / "xdg" / "autostart" / f"{desktop.APP_ID}.desktop"
    marks.write(general, desktop.autostart(OTHER))
    assert autostart.is_enabled()
    for file in (autostart.enable(), autostart.place()):
        autostart.disable()
        assert not autostart.is_enabled()
        autostart.enable()
        assert autostart.is_enabled()
        file.unlink()
    autostart.disable()
    assert not autostart.is_enabled(), "nothing of the account's was there"


def test_start_at_login_that_is_no_desktop_file_is_left_alone(account: Path) -> None:
    """A link, or anything else: told, not written over."""
    file = autostart.place()
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(BgzeroError, match="left as it is"):
        autostart.enable()
    file.unlink()
    real = account / "real"
    real.write_text(desktop.autostart(OTHER))
    file.symlink_to(real)
    assert autostart.is_enabled()
    for act in (autostart.enable, autostart.disable):
        with pytest.raises(BgzeroError, match="left as it is"):
            act()
    assert file.is_symlink()
