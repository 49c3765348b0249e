"""Names are taken out of any text, known ones by what stands for them, unknown ones by where they stand."""

import json
import os

from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.cli import loglines
from bgzero_daemon.cli.veil import LEFT_OUT, OWN_WORDS, Veil, without_person
from bgzero_daemon.core.names import display, to_wire

OURS = set("0123456789photfldersnuki-.<> jpg")
NAMES = st.one_of(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=4, max_size=60),
    st.binary(min_size=4, max_size=60).map(lambda raw: os.fsdecode(raw.translate(None, b"/\0"))),
).filter(lambda name: len(set(name) - OURS) > 1 and name not in OWN_WORDS)


def known(*names: str) -> Veil:
    """A veil over an inbox with these photos."""
    veil = Veil()
    veil.know_root("/srv/in")
    for name in names:
        veil.know(name)
    return veil


@given(NAMES, st.sampled_from(["{} was cut", "00001 {}: done", "/srv/in/{}: x", "'{}'", "{}", "a ({})."]))
def test_known_name_is_covered_in_every_form(name: str, sentence: str) -> None:
    """Raw, shown, percent-encoded, as Python's and JSON's text; the words around it stay."""
    veil = known(name)
    for form in (display(name), to_wire(name), repr(name)[1:-1], json.dumps(display(name))[1:-1]):
        (covered,) = veil.cover([sentence.format(form)])
        assert form not in covered
        assert "photo-1" in covered or LEFT_OUT in covered or "<photo>" in covered


def test_name_that_is_part_of_a_word_or_of_another_name_spoils_nothing() -> None:
    """`a.jpg` is not `data.jpg`, `a` is no letter of a word, and the longer name comes first."""
    veil = known("a", "a.jpg", "data.jpg", "a.jpg b.jpg")
    said = veil.cover(["00001 data.jpg: done, a cat and a.jpg", "a.jpg b.jpg: waits, its end is missing."])
    assert said == ["00001 photo-3.jpg: done, photo-1 cat and photo-2.jpg", "photo-4.jpg: waits, its end is missing."]


def test_unknown_names_below_a_folder_or_that_look_like_pictures_are_left_out() -> None:
    """Where such a name ends nobody can tell: the rest of the line goes with it."""
    veil = known("k.jpg")
    said = veil.cover(["/srv/in/Aunt Mary: gone, k.jpg", "Cannot open uncle.HEIC now", "/srv/in/k.jpg is x", "/srv/in"])
    assert said == [f"/srv/in/{LEFT_OUT}", "Cannot open <photo> now", "/srv/in/photo-1.jpg is x", "/srv/in"]


def test_folder_that_is_part_of_another_ones_name_is_told_apart() -> None:
    """/srv/in is no beginning of /srv/inner; a longer folder comes first."""
    veil = known("k.jpg")
    veil.know_root("/srv/in/deep")
    assert veil.cover(["/srv/inner/x and /srv/in/deep/k.jpg"]) == ["/srv/inner/x and /srv/in/deep/photo-1.jpg"]


def test_traceback_keeps_where_in_the_program_and_the_kind_of_error() -> None:
    """Neither code nor what an error says of a file."""
    text = (
        'Traceback (most recent call last):\n  File "/home/jane/lib/bgzero_daemon/x.py", line 3, in f\n'
        "    open('/srv/in/Mary.jpg')\nFileNotFoundError: [Errno 2] No such file: '/srv/in/Mary.jpg'\nmore of it"
    )
    kept = ["Traceback", '  File "bgzero_daemon/x.py", line 3, in f', "FileNotFoundError"]
    assert loglines.cover(loglines.read(text.split("\n")), known("k.jpg")) == kept
    line = json.dumps({"time": "2026-01-02T03:04:05+01:00", "level": "error", "message": "oh", "exception": text})
    assert loglines.cover(loglines.read([line]), known())[1:] == kept
    entries = "\n".join(json.dumps({"MESSAGE": part, "PRIORITY": "3"}) for part in text.split("\n"))
    assert loglines.cover(loglines.of_journal(entries), known("k.jpg"))[:3] == kept


def test_line_about_a_photo_that_is_not_known_is_cut_short() -> None:
    """And details, which may hold anything, are left out."""
    lines = ["10:00:00 WARNING 00007 Aunt Mary: cannot. Tried again in 2 s.", "10:00:00 DEBUG   Aunt Mary: x"]
    covered = loglines.cover(loglines.read(lines), known("k.jpg"))
    assert covered == [f"10:00:00 WARNING 00007 {LEFT_OUT}", f"10:00:00 DEBUG   {LEFT_OUT}"]


def test_person_and_machine_are_taken_out_and_the_program_stays() -> None:
    """Also within names with underscores; never within another word."""
    text = "/home/jane/x jane_in JANE Janet box7.lan bgzero"
    said = without_person(text, home="/home/jane", people=["jane", "", "bgzero"], hosts=["box7.lan", "box7"])
    assert said == "~/x <account>_in <account> Janet <host> bgzero"
