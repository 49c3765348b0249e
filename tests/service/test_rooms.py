"""Cut-outs that a template moves, against a real outbox and a real ledger: by redo, by review, and disturbed."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.job import Job, JobState, PhotoKey, Staged, Task
from bgzero_daemon.core.names import cutout_names
from bgzero_daemon.core.recipe import OnCheck, Recipe
from bgzero_daemon.service import former, recovery
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.published import sha256_of
from bgzero_daemon.service.record import Record
from bgzero_daemon.service.review import Review
from bgzero_daemon.service.rooms import chosen
from tests.fault.deaths import ask_again, judged
from tests.service.test_scheduler import Bench, cut

CHECK, FINE = Confidence.CHECK, Confidence.FINE


class Rooms:
    """A bench whose template changes, as by a restart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bench = Bench(root)
        self.use("")

    def use(self, template: str) -> None:
        """Begin anew with this template, "" for the mirrored one."""
        self.close()
        self.bench = Bench(self.root, recipe=Recipe("m", check=OnCheck.REVIEW, template=template))

    def close(self) -> None:
        """End what is running."""
        self.bench.scheduler.close()
        self.bench.ledger.close()

    @property
    def place(self) -> Place:
        """The folder."""
        return self.bench.place

    def cut(self, *names: str, word: Confidence = FINE, camera: str = "", taken: str = "") -> None:
        """Have photos cut for the first time, or again where something was decided about them."""
        for name in names:
            (self.bench.inbox / name).parent.mkdir(parents=True, exist_ok=True)
            if self.bench.ledger.get(str(self.bench.inbox), name):
                ask_again(self.bench, name, "")
            else:
                self.bench.add(name)
        self.bench.turn(lambda task: said(task, word, camera, taken))

    def row(self, name: str) -> Record:
        """Return what the ledger says."""
        known = self.bench.ledger.get(str(self.bench.inbox), name)
        assert known
        return known

    def where(self, name: str) -> str:
        """Return where a cut-out is, below the outbox, as the ledger says."""
        return os.path.relpath(self.row(name).output, self.bench.outbox)

    def visible(self) -> list[str]:
        """Return all files of the outbox."""
        found = [path.relative_to(self.bench.outbox) for path in self.bench.outbox.rglob("*") if path.is_file()]
        return sorted(str(path) for path in found)


def said(task: Task, word: Confidence, camera: str, taken: str) -> Staged:
    """Cut a photo that says this of itself."""
    return replace(cut(task, word), camera=camera, taken=taken)


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    """An outbox that is mirrored at first; doubtful cut-outs are held back."""
    made = Rooms(tmp_path)
    yield made
    made.close()


def test_redo_gives_a_new_name_in_the_same_folder(rooms: Rooms) -> None:
    """And back again, and to a mirrored outbox; each time one cut-out is left, and no row waits for another."""
    rooms.cut("a.jpg", "sub/b.jpg")
    for template, expected in {
        "{stem}": ["a.png", "b.png"],
        "x-{stem}": ["x-a.png", "x-b.png"],
        "{stem}/{ext}": ["a/jpg.png", "b/jpg.png"],
        "y-{stem}": ["y-a.png", "y-b.png"],
        "": ["a.png", "sub/b.png"],
    }.items():
        rooms.use(template)
        rooms.cut("a.jpg", "sub/b.jpg")
        assert rooms.visible() == expected
        assert (rooms.row("a.jpg").former, rooms.row("a.jpg").former_home) == ("", "")
        assert rooms.row("sub/b.jpg").state is JobState.DONE


def test_edited_cut_out_and_copies_beside_stay(rooms: Rooms) -> None:
    """What somebody has made of a cut-out is no cut-out of ours."""
    rooms.use("{stem}")
    rooms.cut("a.jpg", "b.jpg")
    out = rooms.bench.outbox
    with (out / "a.png").open("ab") as file:
        file.write(b"edited")
    (out / "b.jpg.png").write_bytes((out / "b.png").read_bytes())
    rooms.use("new-{stem}")
    rooms.cut("a.jpg", "b.jpg")
    assert rooms.visible() == ["a.png", "b.jpg.png", "new-a.png", "new-b.png"]


def test_cut_out_in_another_outbox_stays(rooms: Rooms, tmp_path: Path) -> None:
    """The outbox is another one now, and so is the template: what lies in the former one is not looked at."""
    rooms.cut("a.jpg")
    rooms.bench.outbox.rename(tmp_path / "elsewhere")
    known = rooms.row("a.jpg")
    rooms.bench.ledger.put(
        str(rooms.bench.inbox), "a.jpg", replace(known, output=str(tmp_path / "elsewhere" / "a.png"))
    )
    rooms.use("new/{stem}")
    rooms.cut("a.jpg")
    assert rooms.visible() == ["new/a.png"]
    assert (tmp_path / "elsewhere" / "a.png").is_file()


def test_held_back_and_accepted_under_a_name_that_is_not_the_photos(rooms: Rooms) -> None:
    """Two photos of one name in one folder; below Review as in it, and each acceptance goes to its own."""
    rooms.use("{camera}/{date:%Y}-{stem}")
    rooms.cut("1/a.jpg", "2/a.jpg", word=CHECK, camera="../Review", taken="2024-05-03T00:00:00")
    assert rooms.visible() == ["Review/_Review/2024-a.jpg.png", "Review/_Review/2024-a.png"]
    for name in ("1/a.jpg", "2/a.jpg"):
        assert Review(rooms.place).accept(name)
        assert rooms.row(name).confidence == Confidence.SEEN
    assert rooms.visible() == ["_Review/2024-a.jpg.png", "_Review/2024-a.png"]
    assert sorted(map(rooms.where, ("1/a.jpg", "2/a.jpg"))) == rooms.visible()


def test_redo_takes_a_held_back_cut_out_out_of_the_review_folder_and_elsewhere(rooms: Rooms) -> None:
    """From one template's Review into another's folder, and back into Review; moved by hand meanwhile it goes, too."""
    rooms.use("{date:%Y}/{stem}")
    rooms.cut("a.jpg", word=CHECK, taken="2024-05-03T00:00:00")
    assert rooms.visible() == ["Review/2024/a.png"]
    rooms.use("{camera}/{stem}")
    rooms.cut("a.jpg", camera="R5")
    assert rooms.visible() == ["R5/a.png"]
    rooms.cut("a.jpg", camera="R6", word=CHECK)
    assert rooms.visible() == ["Review/R6/a.png"]
    (rooms.bench.outbox / "R6").mkdir()
    (rooms.bench.outbox / "Review" / "R6" / "a.png").rename(rooms.bench.outbox / "R6" / "a.png")
    rooms.cut("a.jpg", camera="R7")
    assert rooms.visible() == ["R7/a.png"]


def test_try_that_died_and_failed_leaves_the_former_cut_out_in_the_list(rooms: Rooms) -> None:
    """Its successor's name was written down and never used: what is there still wants a look."""
    rooms.use("{date:%Y}/{stem}")
    rooms.cut("a.jpg", word=CHECK, taken="2024-05-03T00:00:00")
    inbox, out = str(rooms.bench.inbox), rooms.bench.outbox
    for name in ("other/a.png", "third/a.png"):  # twice, as after two deaths
        folder = os.path.dirname(name)
        assert rooms.bench.ledger.choose(inbox, "a.jpg", [str(out / name)], intended="ab", home=folder)
    assert rooms.row("a.jpg").former == str(out / "Review" / "2024" / "a.png")
    Review(rooms.place).look_after("a.jpg")
    assert rooms.where("a.jpg") == "Review/2024/a.png"
    assert (rooms.row("a.jpg").confidence, rooms.row("a.jpg").home) == (CHECK, "2024")
    assert Review(rooms.place).accept("a.jpg")
    assert rooms.visible() == ["2024/a.png"]


@pytest.mark.parametrize("is_the_same", [True, False])
def test_two_after_a_death_become_one_before_a_third(rooms: Rooms, *, is_the_same: bool) -> None:
    """The successor is out and the former one there: what has other bytes goes, of the same bytes the former one."""
    rooms.use("{date:%Y}/{stem}")
    rooms.cut("a.jpg", taken="2024-05-03T00:00:00")
    inbox, out, first = str(rooms.bench.inbox), rooms.bench.outbox, rooms.row("a.jpg")
    (out / "n").mkdir()
    second = out / "n" / "a.png"
    if is_the_same:
        second.write_bytes(Path(first.output).read_bytes())
    else:
        Image.new("RGBA", (2, 2)).save(second)
    assert rooms.bench.ledger.choose(inbox, "a.jpg", [str(second)], intended=sha256_of(second), home="n")
    row = former.settled(rooms.place, "a.jpg", rooms.row("a.jpg"))
    assert row == rooms.row("a.jpg")
    assert rooms.visible() == (["n/a.png"] if is_the_same else ["2024/a.png"])
    assert [rooms.where("a.jpg")] == rooms.visible()
    assert (row.home, row.former, row.output_sha256) == (
        "n" if is_the_same else "2024", "", first.output_sha256,
    )  # fmt: skip
    rooms.use("third/{stem}")
    rooms.cut("a.jpg")
    assert rooms.visible() == ["third/a.png"]


def test_former_name_is_nobody_elses_before_its_successor_is_there(rooms: Rooms) -> None:
    """Another photo with this content and name would replace it, and somebody would have none."""
    rooms.use("{stem}")
    rooms.cut("1/a.jpg")
    out = rooms.bench.outbox
    assert rooms.bench.ledger.choose(str(rooms.bench.inbox), "1/a.jpg", [str(out / "n" / "a.png")], home="n")
    (rooms.bench.inbox / "2").mkdir()
    (rooms.bench.inbox / "2" / "a.jpg").write_bytes((rooms.bench.inbox / "1" / "a.jpg").read_bytes())
    rooms.cut("2/a.jpg")
    assert rooms.where("2/a.jpg") == "a.jpg.png"
    assert rooms.visible() == ["a.jpg.png", "a.png"]


def test_photo_whose_content_or_date_changed_leaves_one_cut_out(rooms: Rooms) -> None:
    """Another date moves it; the same date replaces it, whatever its name was made of."""
    rooms.use("{date:%Y}/{stem}")
    (rooms.bench.outbox / "2024").mkdir()
    taken_names = [f"2024/{name}" for name in cutout_names("a.jpg")]
    for name in taken_names:
        (rooms.bench.outbox / name).write_bytes(b"somebody's")
    places = []
    for number, date in enumerate(("2024-05-03", "2024-01-01", "1999-01-01")):
        (rooms.bench.inbox / "a.jpg").write_text(f"content {number}")
        rooms.bench.add("a.jpg")
        rooms.bench.turn(partial(said, word=FINE, camera="", taken=f"{date}T00:00:00"))
        assert [name for name in rooms.visible() if name not in taken_names] == [rooms.where("a.jpg")]
        places.append(rooms.where("a.jpg"))
    assert places[0] == places[1]
    assert places[2] == "1999/a.png"


@pytest.mark.parametrize("taken", ["", "x" * 19, "2024-13-01T00:00:00", "9999-12-31T23:59:59", "0001-01-01"])
@pytest.mark.parametrize("mtime", [0, -(2**62), 2**62])
def test_whatever_a_worker_says_of_the_time_there_is_a_folder(rooms: Rooms, taken: str, mtime: int) -> None:
    """Its word may be anything, and so may a file system's."""
    rooms.use("{date:%Y-%m-%d}/{date:%H}/{stem}")
    rooms.bench.add("a.jpg")
    known = rooms.row("a.jpg")
    mark = replace(known.fingerprint, mtime_ns=mtime)
    job = Job("1", PhotoKey(0, "a.jpg"), mark, rooms.place.recipe)
    home, names = chosen(job, Staged("ab", taken=taken), known)
    assert home.count("/") == 1
    assert names[0] == "a.png"


def test_lost_ledger_tells_photos_of_one_name_by_their_content(rooms: Rooms, tmp_path: Path) -> None:
    """Also those of one content: each gets one of the cut-outs; a sub-folder that is called Review is no room."""
    rooms.use("{stem}")
    for name in ("1/x.jpg", "2/x.jpg", "Review/x.jpg"):
        (rooms.bench.inbox / name).parent.mkdir(parents=True)
        (rooms.bench.inbox / name).write_text("same")
    rooms.cut("1/x.jpg", "2/x.jpg", "Review/x.jpg")
    rooms.cut("3/x.jpg", "Review/y.jpg", word=CHECK)
    before = rooms.visible()
    assert "Review/x.png" in before
    ledger = Ledger(None, [str(rooms.bench.inbox)])
    recovery.recover([replace(rooms.place, ledger=ledger)], ledger)
    found = {
        name: ledger.get(str(rooms.bench.inbox), name)
        for name in ("1/x.jpg", "2/x.jpg", "Review/x.jpg", "3/x.jpg", "Review/y.jpg")
    }
    outputs = sorted(os.path.relpath(record.output, rooms.bench.outbox) for record in found.values() if record)
    assert outputs == before
    for name, output in (("3/x.jpg", "x.png"), ("Review/y.jpg", "y.png")):
        held_back = found[name]
        assert held_back
        assert (held_back.output, held_back.home) == (str(rooms.bench.outbox / "Review" / output), ".")
        assert held_back.confidence == CHECK


def test_lost_ledger_of_a_mirrored_outbox_is_as_before(rooms: Rooms) -> None:
    """Without a template folders tell."""
    rooms.cut("1/x.jpg", "2/x.jpg")
    rooms.bench.turn(judged(FINE))
    ledger = Ledger(None, [str(rooms.bench.inbox)])
    recovery.recover([replace(rooms.place, ledger=ledger)], ledger)
    for name in ("1/x.jpg", "2/x.jpg"):
        known = ledger.get(str(rooms.bench.inbox), name)
        assert known
        assert (known.home, known.output) == ("", rooms.row(name).output)
