"""Shots of a camera with a clock that the test controls: who waits, who is cut, who is covered by whom."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgzero_daemon.core.errors import Code, PhotoRefused
from bgzero_daemon.core.job import Fingerprint, JobState, PhotoKey
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.core.shots import Pair, shot_of
from bgzero_daemon.service.breaker import Breaker
from bgzero_daemon.service.covering import Covering, other_halves
from bgzero_daemon.service.decisions import Decisions
from bgzero_daemon.service.errand import Errands
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.originals import Originals
from bgzero_daemon.service.outbox import Outbox
from bgzero_daemon.service.pairs import Pairing, Pairs
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.record import REDO, Record, decided_now

SETTLE = 2.0
STEP = 0.5
RAW, JPEG = "trip/IMG_1.CR3", "trip/img_1.JPG"


@dataclass
class House:
    """A daemon of parts: gate and worker are the test's, what pairs is the real thing."""

    root: Path
    pair: Pair = Pair.JPEG
    wait: float = 30.0
    now: float = 0.0
    at_gate: dict[PhotoKey, float] = field(default_factory=dict)  # until when somebody writes
    marks: dict[str, Fingerprint] = field(default_factory=dict)
    working: set[PhotoKey] = field(default_factory=set)
    again: list[PhotoKey] = field(default_factory=list)
    cut: list[tuple[float, str]] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)  # what no decoder opens

    def __post_init__(self) -> None:
        for name in ("in", "out"):
            (self.root / name).mkdir(exist_ok=True)
        self.ledger = Ledger(None, [str(self.root / "in")])
        outbox = Outbox(self.root / "out", umask=0o022)
        originals = Originals("keep", self.root / "done")
        self.errands = Errands("place")
        place = Place(
            self.root / "in", outbox, Recipe("m"), originals, self.ledger, Breaker("out"), self.errands
        )  # fmt: skip
        self.place, self.inbox = place, place.name
        pairing = Pairing(self.pair, self.wait, 600.0)
        self.pairs = Pairs(pairing, lambda key: key in self.at_gate, self.knows_other_half)
        self.covering = Covering(
            self.ledger, [place], [pairing], lambda key: key in self.working, lambda _folder: None
        )  # fmt: skip
        self.decisions = Decisions(self.ledger, [place], self.again.append)

    def knows_other_half(self, key: PhotoKey) -> bool:
        return bool(other_halves(self.ledger, self.inbox, key.rel, self.marks[key.rel]))

    def arrive(self, rel: str, *, taken: float = 0.0, writing: float = 0.0) -> None:
        """A file appears, or is written anew; somebody writes it for some seconds. `taken` is its own time."""
        key = PhotoKey(0, rel)
        serial = len(self.marks) + 1
        self.marks[rel] = Fingerprint(1, serial, serial, int(taken * 1e9), serial)
        self.at_gate[key] = self.now + writing + SETTLE
        self.pairs.forget(key)
        self.pairs.note_change(key, self.now)

    def pass_time(self, seconds: float) -> None:
        """Let the clock go on, and everything happen that is due; what may be cut is cut at once."""
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            while self.again:
                key = self.again.pop()
                self.at_gate[key] = self.now + SETTLE
                self.pairs.note_change(key, self.now)
            for key in [key for key, until in self.at_gate.items() if until <= self.now]:
                del self.at_gate[key]
                if self.pairs.pairing.is_preferred(key.rel):
                    self.pairs.note_passed(key)
                    self.write_down(key)
                else:
                    self.pairs.wait(key, self.now)
            for key in self.pairs.ready(self.now):
                self.write_down(key)
            for rel, record in self.ledger.waiting(self.inbox, 99, self.now):
                self.work(rel, record)

    def write_down(self, key: PhotoKey) -> None:
        """What passed is written down, as the workshop does."""
        if not self.covering.covers(key, self.marks[key.rel]):
            self.ledger.arrive(self.inbox, key.rel, self.marks[key.rel])
        self.pairs.note_through(key)

    def work(self, rel: str, record: Record) -> None:
        """Cut a photo, or fail, unless it is to take longer."""
        key = PhotoKey(0, rel)
        if key in self.working:
            return
        if rel in self.bad:
            self.decisions.turn_down(key, record, PhotoRefused("Damaged."), JobState.FAILED)
            return
        self.cut.append((self.now, rel))
        done = replace(record, output=f"{rel}.png", output_sha256="00", code="")
        self.ledger.put(self.inbox, rel, decided_now(done, JobState.DONE))

    def told(self) -> dict[str, str]:
        """What is said of each file: its state, or who covers it."""
        said = {}
        for rel in self.marks:
            if record := self.ledger.get(self.inbox, rel):
                said[rel] = record.covered_by or record.state.value
        return said


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.errands.close(5)


def of(root: Path, pair: Pair) -> House:
    return House(root, pair)


@pytest.mark.parametrize("pair", [Pair.JPEG, Pair.RAW])
@pytest.mark.parametrize("order", [(RAW, JPEG), (JPEG, RAW)])
@pytest.mark.parametrize("apart", [0.0, 1.0, 20.0, 29.0])
def test_pair_gives_one_cutout_of_the_preferred_kind(
    tmp_path: Path, pair: Pair, order: tuple[str, str], apart: float
) -> None:
    """RAW first, JPEG first, 20 s apart; what is preferred is cut as soon as the gate lets it through."""
    house = of(tmp_path, pair)
    wanted, other = (JPEG, RAW) if pair is Pair.JPEG else (RAW, JPEG)
    came = {}
    for rel in order:
        house.arrive(rel)
        came[rel] = house.now
        house.pass_time(apart)
    house.pass_time(100)
    assert house.cut == [(came[wanted] + SETTLE, wanted)], "it never waits"
    assert house.told() == {wanted: "done", other: wanted}
    covered = house.ledger.get(house.inbox, other)
    assert covered
    assert (covered.state, covered.code) == (JobState.SKIPPED, Code.COVERED)
    assert Path(wanted).name in covered.sentence
    assert not len(house.pairs)


@pytest.mark.parametrize("pair", [Pair.JPEG, Pair.RAW])
@pytest.mark.parametrize("rel", [RAW, JPEG])
def test_half_a_pair_is_cut_by_itself(tmp_path: Path, pair: Pair, rel: str) -> None:
    """RAW only, JPEG only: at once where it is what is preferred, after `pair_wait` else."""
    house = of(tmp_path, pair)
    house.arrive(rel)
    house.pass_time(100)
    is_preferred = (pair is Pair.JPEG) == (rel == JPEG)
    assert house.cut == [(SETTLE if is_preferred else SETTLE + 30.0, rel)]


def test_both_are_cut_where_both_are_wanted(tmp_path: Path) -> None:
    """And nobody waits for anybody."""
    house = of(tmp_path, Pair.BOTH)
    house.arrive(RAW)
    house.arrive(JPEG)
    house.pass_time(5)
    assert sorted(rel for _when, rel in house.cut) == sorted([RAW, JPEG])
    assert {when for when, _rel in house.cut} == {SETTLE}


def test_folders_with_one_stem_are_two_shots(house: House) -> None:
    """Cameras number each folder anew."""
    for folder in ("100CANON", "101CANON"):
        house.arrive(f"{folder}/IMG_1.CR3")
    house.arrive("100CANON/IMG_1.JPG")
    house.pass_time(100)
    assert sorted(rel for _when, rel in house.cut) == ["100CANON/IMG_1.JPG", "101CANON/IMG_1.CR3"]


def test_half_waits_as_long_as_its_folder_is_busy_and_no_longer_than_the_most(house: House) -> None:
    """All RAW files of a card may come before its first JPEG; a folder that never rests keeps nothing for ever."""
    house.arrive(RAW)
    for number in range(2, 50):
        house.arrive(f"trip/IMG_{number}.JPG")
        house.pass_time(10)
    house.arrive(JPEG)
    house.pass_time(60)
    assert JPEG in [rel for _when, rel in house.cut]
    assert house.told()[RAW] == JPEG
    house.arrive("trip/IMG_900.CR3")
    began = house.now
    for number in range(50, 150):
        house.arrive(f"trip/IMG_{number}.JPG")
        house.pass_time(10)
    when = next(when for when, rel in house.cut if rel == "trip/IMG_900.CR3")
    assert 600 <= when - began <= 610


def test_other_folders_keep_nobody_waiting(house: House) -> None:
    """A camera that never rests has a folder of its own."""
    house.arrive(RAW)
    for number in range(20):
        house.arrive(f"webcam/{number}.jpg")
        house.pass_time(5)
    assert (SETTLE + 30.0, RAW) in house.cut


def test_half_waits_for_a_writer_however_slow(house: House) -> None:
    """50 MB at 2 MB/s takes 25 s, and a bad network longer than `pair_wait`, and than the most."""
    house.arrive(RAW)
    house.arrive(JPEG, writing=900)
    house.pass_time(890)
    assert house.cut == []
    house.pass_time(30)
    assert [rel for _when, rel in house.cut] == [JPEG]
    assert house.told()[RAW] == JPEG


def test_writer_who_gives_up_is_waited_for_no_longer(house: House) -> None:
    """Its file goes away again."""
    house.arrive(RAW)
    house.arrive(JPEG, writing=900)
    house.pass_time(100)
    del house.at_gate[PhotoKey(0, JPEG)]
    house.pass_time(2)
    assert [rel for _when, rel in house.cut] == [RAW]


def test_preferred_one_that_comes_too_late_is_covered(house: House) -> None:
    """Nothing is doubled: the shot has its cut-out. Nothing is lost: it says so, and `redo` cuts it."""
    house.arrive(RAW)
    house.pass_time(100)
    house.arrive(JPEG)
    house.pass_time(100)
    assert [rel for _when, rel in house.cut] == [RAW]
    assert house.told() == {RAW: "done", JPEG: RAW}


def test_preferred_one_takes_the_place_of_one_that_nobody_has_begun_with(house: House) -> None:
    """Behind ten thousand others; and covers those that another one covered."""
    house.working.add(PhotoKey(0, RAW))  # so that it is not cut
    house.arrive(RAW)
    house.pass_time(100)
    assert house.told() == {RAW: "waiting"}
    house.working.clear()
    house.arrive(JPEG)
    house.at_gate[PhotoKey(0, JPEG)] = 0
    house.pass_time(STEP)
    assert [rel for _when, rel in house.cut] == [JPEG]
    assert house.told() == {RAW: JPEG, JPEG: "done"}


def test_preferred_one_is_covered_by_one_that_is_in_work(house: House) -> None:
    """It would come out a moment later all the same."""
    house.working.add(PhotoKey(0, RAW))
    house.arrive(RAW)
    house.pass_time(100)
    house.arrive(JPEG)
    house.pass_time(10)
    assert house.told() == {RAW: "waiting", JPEG: RAW}
    house.bad.add(RAW)
    house.working.clear()
    house.pass_time(10)
    assert house.told() == {RAW: "failed", JPEG: "done"}


@pytest.mark.parametrize("order", [(RAW, JPEG), (JPEG, RAW)])
def test_other_file_is_cut_where_the_one_that_covers_it_fails(house: House, order: tuple[str, str]) -> None:
    """Whatever came first; and a whole file that comes later under the bad one's name is covered."""
    house.bad.add(JPEG)
    for rel in order:
        house.arrive(rel)
    house.pass_time(200)
    assert house.told() == {JPEG: "failed", RAW: "done"}
    house.bad.clear()
    house.arrive(JPEG)
    house.pass_time(100)
    assert house.told() == {JPEG: RAW, RAW: "done"}


def test_counter_that_came_round_loses_nothing(house: House) -> None:
    """IMG_1 of this year is not covered by IMG_1 of the last, in either order of kinds."""
    year = 365 * 86400.0
    house.arrive(JPEG, taken=0)
    house.pass_time(10)
    house.arrive(RAW, taken=year)
    house.pass_time(100)
    assert house.told() == {JPEG: "done", RAW: "done"}
    house.arrive("b/IMG_1.CR3", taken=0)
    house.pass_time(100)
    house.arrive("b/IMG_1.JPG", taken=year)
    house.pass_time(100)
    assert house.told()["b/IMG_1.JPG"] == "done"
    assert len(house.cut) == 4


def test_two_files_of_the_preferred_kind_are_two_photos(house: House) -> None:
    """A JPEG and a HEIF of one name: to leave one out would lose it. Both cover the RAW file."""
    for rel in (RAW, JPEG, "trip/IMG_1.HEIC"):
        house.arrive(rel)
    house.pass_time(100)
    assert sorted(rel for _when, rel in house.cut) == ["trip/IMG_1.HEIC", JPEG]
    assert house.told()[RAW] in (JPEG, "trip/IMG_1.HEIC")


def test_file_that_was_cut_itself_is_never_covered(house: House) -> None:
    """New bytes under the name of a RAW file that has a cut-out are cut, as of any photo; also beside a JPEG's."""
    house.arrive(RAW)
    house.pass_time(100)
    house.arrive(JPEG)
    house.pass_time(10)
    house.arrive(RAW)
    house.pass_time(100)
    assert [rel for _when, rel in house.cut] == [RAW, RAW]
    wished = house.ledger.get(house.inbox, JPEG)
    assert wished
    house.ledger.put(house.inbox, JPEG, replace(wished, state=JobState.WAITING, front=REDO))
    house.pass_time(1)
    house.arrive(RAW)
    house.pass_time(100)
    assert [rel for _when, rel in house.cut] == [RAW, RAW, JPEG, RAW]


def test_somebodys_wish_is_not_covered(house: House) -> None:
    """What is to be cut again because somebody said so is, also where its bytes change meanwhile."""
    house.arrive(JPEG)
    house.pass_time(10)
    wished = Record(Fingerprint(1, 9, 9, 0, 9), JobState.WAITING, front=REDO, code=Code.COVERED, covered_by=JPEG)
    house.working.add(PhotoKey(0, RAW))
    house.ledger.put(house.inbox, RAW, wished)
    house.arrive(RAW)
    house.pass_time(50)
    house.working.clear()
    house.pass_time(1)
    assert [rel for _when, rel in house.cut] == [JPEG, RAW]


def test_what_comes_and_goes_before_the_gate_leaves_no_trace(house: House) -> None:
    """Programs that write and rename: after a year of them nothing has grown."""
    for number in range(50_000):
        house.pairs.note_change(PhotoKey(0, f"{number}.jpg"), 0.0)
    assert len(house.pairs._coming) <= 20_001
    house.arrive(RAW)
    house.arrive(JPEG, writing=50)
    for number in range(20_000):
        house.pairs.note_change(PhotoKey(0, f"{number}.jpg"), 0.0)
    house.pass_time(100)
    assert house.told() == {JPEG: "done", RAW: JPEG}, "what is at the gate is kept in mind"


def test_what_is_no_photo_never_waits(house: House) -> None:
    """A text is looked at by the worker's side at once."""
    house.arrive("trip/IMG_1.txt")
    house.arrive(JPEG)
    house.pass_time(SETTLE)
    assert len(house.cut) == 2


FILES = [RAW, JPEG, "trip/IMG_2.NEF", "trip/IMG_2.jpeg", "trip/IMG_2.heic", "other/IMG_1.ARW"]


@settings(max_examples=25)
@given(
    st.sampled_from(Pair), st.booleans(),
    st.lists(st.tuples(st.sampled_from(FILES), st.floats(0, 60), st.floats(0, 40), st.booleans()), max_size=12),
)  # fmt: skip
def test_every_shot_has_a_cutout_and_every_file_a_word(
    tmp_path_factory: pytest.TempPathFactory, pair: Pair, is_slow: bool, steps: list[tuple[str, float, float, bool]]
) -> None:
    """Any order, any pauses, files that fail: nothing is lost, and nothing is cut beside the one that covers it."""
    house = House(tmp_path_factory.mktemp("pairs"), pair)
    for rel, pause, writing, is_bad in steps:
        (house.bad.add if is_bad else house.bad.discard)(rel)
        if is_slow:
            house.working = {PhotoKey(0, rel)}
        house.arrive(rel, writing=writing)
        house.pass_time(pause)
    house.working.clear()
    house.pass_time(200)
    house.errands.close(5)
    told = house.told()
    assert set(told) == set(house.marks)
    assert "waiting" not in told.values()
    good = {shot_of(rel) for rel in told if rel not in house.bad}
    assert good <= {shot_of(rel) for _when, rel in house.cut}
    for rel, by in told.items():
        if by in told:
            covering = house.ledger.get(house.inbox, by)
            assert covering
            assert covering.output_sha256, (rel, told)  # also where other bytes came under its name later
            assert shot_of(by) == shot_of(rel)
    if pair is Pair.BOTH:
        assert {rel for rel in told if rel not in house.bad} <= {rel for _when, rel in house.cut}
