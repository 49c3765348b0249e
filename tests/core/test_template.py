"""Where a template puts a cut-out."""

import os
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.core.template import MIRRORED, BadTemplate, Facts, check, fill

DATED = "{date:%Y}/{date:%Y-%m-%d}/{stem}"
FACTS = Facts("IMG_1.JPG", "trip/day 1", datetime.fromisoformat("2024-05-03T07:08:09"), "u2netp", "EOS R5")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (MIRRORED, ("trip/day 1", "IMG_1")),
        ("{stem}", ("", "IMG_1")),
        (DATED, ("2024/2024-05-03", "IMG_1")),
        ("{date}/{stem}", ("2024-05-03", "IMG_1")),
        ("{date:%Y/%m}/{stem}-{ext}", ("2024/05", "IMG_1-JPG")),
        ("{camera}/{model}/{date:%Y%m%d-%H%M%S}-{stem}", ("EOS R5/u2netp", "20240503-070809-IMG_1")),
        ("{{{stem}}} 100%", ("", "{IMG_1} 100%")),
        ("a//b/{stem}", ("a/b", "IMG_1")),
        ("{folder}", ("trip", "day 1")),
    ],
)
def test_template_is_filled(template: str, expected: tuple[str, str]) -> None:
    """Flat, dated, mirrored, and what else people ask for."""
    assert fill(check(template), FACTS) == expected


def test_photo_that_lies_in_no_folder_makes_none() -> None:
    """The inbox itself is mirrored by the outbox itself."""
    facts = Facts("a.jpg", "", FACTS.date, "m", "")
    assert fill(MIRRORED, facts) == ("", "a")
    assert fill("x/{folder}/{stem}", facts) == ("x", "a")
    assert fill("{folder}", facts) == ("", "a")
    assert fill("{camera}/{stem}", facts) == ("unknown", "a")


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("/{stem}", "stay below the outbox"),
        ("~/{stem}", "stay below the outbox"),
        ("../{stem}", r"\.\. leads to another folder"),
        ("a/../../{stem}", r"\.\. leads to another folder"),
        ("a/./{stem}", r"\. leads to another folder"),
        ("{folder}/", "ends with a folder"),
        ("{date:%Y/}", "ends with a folder"),
        ("{stam}", "did you mean stem"),
        ("{}", "there is no {}; there are stem"),
        ("{0}", "there are stem"),
        ("{stem.__class__}", "there is no stem.__class__"),
        ("{stem[0]}", r"there is no stem\[0\]"),
        ("{stem!r}", "stands alone"),
        ("{stem:>9}", "stands alone"),
        ("{date:%Q}", "a date has no %Q"),
        ("{date:%}", "a date has no %"),
        ("{date:{stem}}", "a date has no {"),
        ("{stem", "a brace has no other half"),
        ("stem}", "a brace has no other half"),
        (".hidden/{stem}", "begins with a dot"),
        ("x/.{stem}", "begins with a dot"),
        ("{date:../%Y}/{stem}", "leads to another folder"),
        ("a\n/{stem}", "cannot be seen"),
        ("a\0/{stem}", "cannot be seen"),
        ("Review/{stem}", "the folder Review"),
    ],
)
def test_template_that_cannot_be_filled_says_why(template: str, word: str) -> None:
    """One sentence each, when the configuration is read and not when a photo comes."""
    with pytest.raises(BadTemplate, match=word) as caught:
        check(template)
    assert "\n" not in str(caught.value)


def test_no_photo_makes_the_folder_of_what_wants_a_look() -> None:
    """Whatever its camera, or a folder of the inbox, is called."""
    assert fill("{camera}/{stem}", Facts("a.jpg", "", FACTS.date, "m", "Review")) == ("_Review", "a")
    assert fill("{folder}/{ext}/{stem}", Facts("a.jpg", "Review", FACTS.date, "m", "")) == ("_Review/jpg", "a")
    assert fill("x/{camera}/{stem}", Facts("a.jpg", "", FACTS.date, "m", "Review")) == ("x/Review", "a")
    assert fill("{camera}", Facts("a.jpg", "", FACTS.date, "m", "Review")) == ("", "Review")


@pytest.mark.parametrize(
    "said", ["../../etc", "/etc/passwd", "a/b", "..", ".", ".bgzero", "a\nb", "a\0b", "con:1", "\u202egpj"]
)
def test_camera_that_calls_itself_a_path_makes_one_plain_folder(said: str) -> None:
    """A file says what it likes."""
    folder, name = fill("{camera}/{stem}", Facts("a.jpg", "", FACTS.date, "m", said))
    assert name == "a"
    assert "/" not in folder
    assert folder.isprintable()
    assert not folder.startswith(".")


NAMES = (
    st.binary(min_size=1, max_size=255).filter(lambda raw: not {0, 47} & set(raw) and raw[:1] != b".").map(os.fsdecode)
)


@given(
    template=st.sampled_from(
        [MIRRORED, DATED, "{camera}/{stem}", "{stem}{ext}{camera}", "{folder}{stem}", "{ext}", "{ext}."]
    ),
    name=NAMES, folders=st.lists(NAMES, max_size=3), camera=st.text(max_size=300), model=st.text(max_size=300),
    date=st.datetimes(),
)  # fmt: skip
def test_whatever_a_photo_says_stays_below_the_outbox(
    template: str, name: str, folders: list[str], camera: str, model: str, date: datetime
) -> None:
    """Never out, never hidden, and every folder's name is one that a file system takes."""
    folder, stem = fill(check(template), Facts(name, "/".join(folders), date, model, camera))
    parts = [*filter(None, folder.split("/")), stem]
    for part in parts:
        assert part not in ("", ".", "..")
        assert "/" not in part
        assert "\0" not in part
        assert not part.startswith(".")
    assert all(len(os.fsencode(part)) <= 255 for part in parts[:-1])
    assert os.path.normpath(os.path.join("/out", folder, stem)).startswith("/out/")
