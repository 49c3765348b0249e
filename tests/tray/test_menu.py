"""What the menu says of strange names, and where things are missing."""

from dataclasses import replace
from typing import Any

import pytest

from bgzero_daemon.core.names import to_wire
from bgzero_daemon.tray.deeds import Deeds
from bgzero_daemon.tray.entries import Menu
from bgzero_daemon.tray.feed import Picture
from bgzero_daemon.tray.menu import TrayMenu, headline
from bgzero_daemon.tray.menutree import MenuTree, Properties
from bgzero_daemon.wire.snapshot import Card, Choice, Counts, Folder, Outcome, Provider
from tests.tray.test_feed import MODEL
from tests.tray.test_notices import done, snapshot

HOSTILE = ["\n_\u202egpj.exe", "\x1b[31m\x07", "\u2066" * 300, "x" * 5000, "_" * 90, "caf\udce9", "😀‍" * 80, "&<b>"]


def labels(picture: Picture) -> list[str]:
    """Everything that the menu says."""
    return [str(label) for label, _told in lines(picture)]


def lines(picture: Picture) -> list[tuple[object, Properties]]:
    """Every line of the menu with a label."""
    deeds = Deeds(lambda _title, _text: None, *[lambda: None] * 4)
    tree = MenuTree()
    tree.build(Menu(list(TrayMenu(deeds).entries(picture))))
    return [(told["label"], told) for told in tree.properties.values() if "label" in told]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_make_short_plain_lines(name: str) -> None:
    """Of photos, folders, models, licences, reasons, and of what the daemon says: one line each, and not a long one."""
    path = to_wire(f"/in/{name}")
    outcome = replace(done("a"), path=path, cutout_path=path)
    model = MODEL | {"title": name, "licence": name, "good_for": name, "name": "x"}
    folder = Folder("in", "out", path, path, "m", False, 0, None, ())
    now = snapshot(
        latest=(outcome, replace(outcome, state="failed", sentence=name, path=f"{path}2")), failed=1, why=name,
        cards=(Card(name, path, "new", 2), Card(name, f"{path}2", "failed", 2, name)),
        state="trouble", folders=(folder, folder), model=Choice("x", "default"),
    )  # fmt: skip
    failed = [{"path": path, "sentence": name}]
    doubtful = [{"path": path, "output": path, "look": name}]
    models = [model, model | {"name": "y", "installed": False, "can_be_pulled": True, "commercial": "no"}]
    picture = Picture(replace(now, wanting_look=1), models=models, failed=failed, doubtful=doubtful)
    said = labels(picture) + labels(Picture(None, why=name)) + [headline(Picture(None, why=name))]
    for label in said:
        assert label.isprintable(), repr(label)
        assert len(label.replace("__", "_")) <= 110, label
        label.encode()


def test_what_wants_a_look_is_a_line_with_all_that_can_be_done() -> None:
    """A line only where something does; each cut-out by its photo's name, and their folder where they have one."""
    assert "Accept all" not in labels(Picture(snapshot()))
    photos = [
        {"path": "/in/a.jpg", "output": "/out/Review/a.png", "look": "wants a look: see-through inside"},
        {"path": "/in/b.jpg", "output": "/out/b.png", "look": "wants a look: the two passes disagree"},
    ]
    folder = Folder("in", "out", "/in", "/out", "m", False, 0, None, ())
    now = snapshot(wanting_look=3, folders=(folder,))
    said = labels(Picture(now, models=[MODEL], doubtful=photos))
    assert said[0] == "Watching · 3 want a look"
    assert {"3 want a look", "a.jpg: wants a look: see-through inside", "Accept", "Accept all"} <= set(said)
    assert said.count("Open the review folder") == 1
    said = labels(Picture(replace(now, wanting_look=1), doubtful=photos[1:]))
    assert "1 wants a look" in said
    assert "Open the review folder" not in said


def test_menu_offers_to_start_only_what_does_not_run() -> None:
    """A daemon that hangs, or is of another version, is there."""
    assert "Start" in labels(Picture())
    said = labels(Picture(why="It hangs."))
    assert "Start" not in said
    assert said[0] == "It hangs."


def test_models_are_listed_by_what_can_be_done_with_them() -> None:
    """Usable ones to choose, others to fetch or to accept, and none that can be neither."""
    base: dict[str, Any] = {**MODEL, "size_bytes": 5_000_000}
    models = [
        base | {"name": "a", "title": "A"},
        base | {"name": "b", "title": "B", "accepted": False, "commercial": "unclear"},
        base | {"name": "c", "title": "C", "installed": False, "can_be_pulled": True},
        base | {"name": "d", "title": "D", "installed": False},
        base | {"name": "e", "title": "E", "installed": False, "accepted": False, "can_be_pulled": True},
    ]
    said = labels(Picture(snapshot(model=Choice("a", "auto")), models=models))
    assert "Model: A" in said
    assert [label for label in said if label.endswith("MB, L")] == ["A, 5 MB, L", "B, 5 MB, L"]
    assert [label for label in said if "download…)" in label] == ["C, 5 MB, L (download…)", "E, 5 MB, L (download…)"]
    assert {"Accept the licence", "Download…", "Accept the licence and download…"} <= set(said)
    assert "Licence: L; commercial use: not clear" in said
    assert "Licence: L; commercial use: yes" in said


def test_counts_and_devices_are_said() -> None:
    """In the order of what is to do, done, failed; and why a GPU is not used."""
    now = snapshot(
        state="working", waiting=2, running=1, today=Counts(done=4), failed=1,
        provider=Provider("cuda", "state", "CPUExecutionProvider", "No card is there."),
    )  # fmt: skip
    said = labels(Picture(now, failed=[{"path": "/a/b.jpg", "sentence": "It is damaged."}]))
    assert said[0] == "Working · 3 to do · 4 done today · 1 failed"
    assert {"Runs on: CPU", "No card is there.", "b.jpg: It is damaged.", "Try again", "Take off the list"} <= set(said)
    assert "Quiet until 01:00" not in said
    quiet = labels(Picture(snapshot(notifications=False, quiet_until=1.0)))
    assert [label for label in quiet if label.startswith("Quiet until ")]
    assert "Notifications (off)" in quiet


@pytest.mark.parametrize(
    ("asked", "chosen"), [("auto", "Automatic"), ("cpu", "CPU"), ("cuda", "GPU"), ("coreml,cuda", "GPU")]
)
def test_provider_that_was_asked_for_is_marked(asked: str, chosen: str) -> None:
    """Whichever accelerator was named, it is a GPU."""
    shown = lines(Picture(snapshot(provider=Provider(asked, "state", "", ""))))
    named = [(label, told) for label, told in shown if label in ("Automatic", "CPU", "GPU")]
    assert [label for label, told in named if told["toggle-state"]] == [chosen]


def test_outcome_leads_to_its_cut_out_or_to_its_photo() -> None:
    """What failed has no cut-out to open."""
    failed = Outcome("a", "/in/a.jpg", "failed", "It is damaged.", "", "", "m", 0.0)
    assert "Open" not in labels(Picture(snapshot(latest=(failed,)), models=[MODEL]))
    assert "Open" in labels(Picture(snapshot(latest=(done("a"),)), models=[MODEL]))


def test_card_can_be_imported_as_long_as_something_on_it_is_new() -> None:
    """Three answers below its line; none while it is imported, nor when all is done."""
    card = Card("EOS", "/media/me/EOS", "new", 3)
    offered = {"Import", "Last day", "Not now"}
    assert {"EOS: 3 new photos", *offered} <= {*labels(Picture(snapshot(cards=(card,))))}
    for state, new, sentence, said in (
        ("importing", 3, "", "EOS: importing 3 new photos"),
        ("imported", 0, "3 photos were imported.", "EOS: 3 photos were imported."),
    ):
        shown = {*labels(Picture(snapshot(cards=(replace(card, state=state, new=new, sentence=sentence),))))}
        assert said in shown
        assert not offered & shown
