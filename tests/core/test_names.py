"""Names from outside: shown safely, carried byte for byte, turned into output names that fit."""

import json
import os
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bgzero_daemon.core import names
from bgzero_daemon.core.names import NAME_MAX_BYTES, cutout_names, display, display_line, from_wire, quoted, to_wire

HOSTILE: dict[str, str | bytes] = {
    "newline": "a\nb.jpg",
    "carriage return": "a\rb.jpg",
    "tab": "a\tb.jpg",
    "colour escape": "\x1b[31mred\x1b[0m.jpg",
    "title escape": "\x1b]0;owned\x07.jpg",
    "C1 escape": "\x9b31m.jpg",
    "delete": "a\x7fb.jpg",
    "right-to-left override": "photo\u202egpj.exe",
    "isolate": "a\u2066b\u2069.jpg",
    "zero width space": "a\u200bb.jpg",
    "zero width joiner": "a\u200db.jpg",
    "byte order mark": "\ufeffa.jpg",
    "line separator": "a\u2028b.jpg",
    "paragraph separator": "a\u2029b.jpg",
    "tag characters": "a\U000e0041\U000e0042.jpg",
    "byte that is no UTF-8": b"caf\xe9.jpg",
    "only such bytes": b"\xff\xfe\xff",
    "lone surrogate": "a\ud800b.jpg",
    "escaped byte": "a\udcffb.jpg",
    "private use": "a\ue000.jpg",
    "no character": "a\U0010ffff.jpg",
    "format string": "%n%s%(x)d{0}{name}.jpg",
    "long": "x" * 5000 + ".jpg",
    "long and hostile": "\n" * 5000,
    "empty": "",
}
NAMES = st.binary(min_size=1, max_size=255).filter(lambda raw: not {0, 47} & set(raw) and raw not in (b".", b".."))
UNICODE_NAMES = st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=120).filter(
    lambda name: len(name.encode()) <= 255 and name not in (".", "..")
)


def is_harmless(shown: str) -> bool:
    """Say whether a text is one visible line of bounded length that JSON and UTF-8 can carry.

    Control, format, surrogate, line and paragraph separator are the categories that act or hide.
    """
    json.dumps(shown, ensure_ascii=False).encode("utf-8")
    acting = {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return len(shown) <= names.SHOWN_COLUMNS and len(shown.splitlines()) <= 1 and not acting


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_name_is_shown_as_one_harmless_line(what: str) -> None:
    """Whatever stands in a name, what is shown does nothing to a terminal, a log or a menu."""
    assert is_harmless(display(HOSTILE[what]))


@settings(max_examples=200, deadline=None)
@given(name=st.one_of(st.text(max_size=400), st.binary(max_size=400)))
def test_any_name_is_shown_as_one_harmless_line(name: str | bytes) -> None:
    """The same for any text and any bytes."""
    assert is_harmless(display(name))


@pytest.mark.parametrize(
    "name", ["a.jpg", "Müller & Söhne 01.JPG", "写真 (3).png", "🙂.webp", "%n{0}.jpg", "back\\slash"]
)
def test_ordinary_name_is_shown_as_it_is(name: str) -> None:
    """Letters of any script, spaces, signs and symbols are left alone."""
    assert display(name) == name
    assert display(Path("/photos") / name) == f"/photos/{name}"
    assert display(name.encode()) == name


def test_hostile_characters_become_readable_escapes() -> None:
    """A person sees what stands there."""
    assert display("a\nb") == r"a\x0ab"
    assert display("\x1b[31m") == r"\x1b[31m"
    assert display("a\u202eb") == r"a\u202eb"
    assert display("\U000e0041") == r"\U000e0041"
    assert display(b"caf\xe9") == r"caf\xe9"


def test_long_name_is_cut_in_the_middle() -> None:
    """Beginning and end, which tell most, stay."""
    shown = display("begin" + "x" * 5000 + "end.jpg")
    assert shown.startswith("begin")
    assert shown.endswith("end.jpg")
    assert "…" in shown
    assert display("x" * names.SHOWN_COLUMNS) == "x" * names.SHOWN_COLUMNS


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=300).filter(lambda raw: 0 not in raw))
def test_any_path_comes_back_from_the_wire_byte_for_byte(raw: bytes) -> None:
    """Any bytes but NUL, as bytes or as Python's own text, give one ASCII text that gives them back."""
    text = to_wire(raw)
    assert text.isascii()
    assert text.isprintable()
    assert to_wire(os.fsdecode(raw)) == text
    assert os.fsencode(from_wire(text)) == raw
    assert json.loads(json.dumps(text)) == text


def test_slashes_stay_readable_on_the_wire() -> None:
    """A path keeps its shape; percent signs are escaped, so nothing is undone twice."""
    assert to_wire("2024/May 5/a%20b.jpg") == "2024/May%205/a%2520b.jpg"
    assert from_wire("2024/May%205/a%2520b.jpg") == "2024/May 5/a%20b.jpg"


def test_output_names_are_tried_from_short_to_certain() -> None:
    """The plain name first, then the one with the photo's suffix, then one with a hash."""
    first, second, third = cutout_names("a.jpg")
    assert (first, second) == ("a.png", "a.jpg.png")
    assert third.startswith("a.jpg-")
    assert len(third) == len("a.jpg-12345678.png")
    assert cutout_names("a.jpg", "-cutout.png")[0] == "a-cutout.png"


@pytest.mark.parametrize(
    ("name", "first"),
    [("photo", "photo.png"), ("a.b.jpg", "a.b.png"), (".jpg", ".jpg.png"), ("a.", "a.png"), ("a b.JPG", "a b.png")],
)
def test_odd_names_get_the_suffix_too(name: str, first: str) -> None:
    """No suffix, many dots, a leading dot."""
    assert cutout_names(name)[0] == first


def test_photos_that_share_a_stem_have_names_of_their_own() -> None:
    """a.jpg and a.png both survive: from the second name on they never meet."""
    jpg, png = cutout_names("a.jpg"), cutout_names("a.png")
    assert jpg[0] == png[0]
    assert not set(jpg[1:]) & set(png[1:])


@settings(max_examples=300, deadline=None)
@given(raw=NAMES)
def test_any_name_gives_output_names_that_a_file_system_takes(raw: bytes) -> None:
    """At most 255 bytes, distinct, no slash, with the suffix; and the same on every call."""
    found = cutout_names(os.fsdecode(raw))
    assert found
    assert len(set(found)) == len(found)
    for name in found:
        encoded = os.fsencode(name)
        assert len(encoded) <= NAME_MAX_BYTES
        assert not {0, 47} & set(encoded)
        assert name.endswith(".png")
        assert name != ".png"
    assert cutout_names(os.fsdecode(raw)) == found


@settings(max_examples=300, deadline=None)
@given(name=UNICODE_NAMES, filler=st.sampled_from("aé漢🙂"))
def test_shortening_never_cuts_a_character_in_two(name: str, filler: str) -> None:
    """Stretched to the limit, a valid name gives valid names."""
    while len((name + filler).encode()) <= 255:
        name += filler
    for found in cutout_names(name):
        assert len(found.encode("utf-8")) <= NAME_MAX_BYTES


@pytest.mark.parametrize("filler", ["x", "é", "漢", "🙂"])
def test_names_of_255_bytes_that_differ_only_at_their_end_stay_apart(filler: str) -> None:
    """Both are shortened to the same beginning, so the hash has to tell them apart."""
    stem = filler * (245 // len(filler.encode()))
    one, other = cutout_names(f"{stem}-1.jpeg"), cutout_names(f"{stem}-2.jpeg")
    assert one[-1] != other[-1]
    assert len(os.fsencode(one[-1])) > 200


def test_longest_names_can_be_made(tmp_path: Path) -> None:
    """A real file system takes every name there is for a photo with the longest possible name."""
    for name in cutout_names("漢" * 83 + ".jpg"):
        (tmp_path / name).touch()


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=1, max_size=30).map(lambda raw: raw.replace(b"\0", b"'\\7")), min_size=1))
@example([b"", b"\xff7", "\x1b'\\é\u202e9".encode()])
def test_quoted_words_are_printable_and_a_shell_reads_them_back(words: list[bytes]) -> None:
    """Whatever a path holds, a command that names it can be printed, copied and typed."""
    line = " ".join(quoted(os.fsdecode(word)) for word in words)
    assert display_line(line) == line
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == words
