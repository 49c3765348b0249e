"""Cut-outs that want a look, against a real outbox and a real ledger: accepted, moved by hand, and disturbed."""

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.errors import Code, NameTaken, OutputError, PhotoRefused
from bgzero_daemon.core.job import JobState, Staged, Task
from bgzero_daemon.core.recipe import NoSubject, OnCheck, Recipe
from bgzero_daemon.service import recovery
from bgzero_daemon.service.breaker import Breaker
from bgzero_daemon.service.doubts import LATER
from bgzero_daemon.service.errand import Errands
from bgzero_daemon.service.last_steps import LastSteps
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.originals import Originals
from bgzero_daemon.service.outbox import Outbox
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.record import Record
from bgzero_daemon.service.review import Review
from tests.fault.deaths import ask_again, judged
from tests.service.test_scheduler import Bench, cut

CHECK, FINE, NO_SUBJECT = Confidence.CHECK, Confidence.FINE, Confidence.NO_SUBJECT


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench that holds doubtful cut-outs back; originals move."""
    made = Bench(tmp_path, recipe=Recipe("m", check=OnCheck.REVIEW), policy="move")
    yield made
    made.scheduler.close()
    made.ledger.close()


def row(bench: Bench, name: str = "a.jpg") -> Record:
    """Return what the ledger says."""
    known = bench.ledger.get(str(bench.inbox), name)
    assert known
    return known


def doubtful(bench: Bench, name: str = "a.jpg") -> Path:
    """Have a photo cut, and return the cut-out, which wants a look."""
    (bench.inbox / name).parent.mkdir(exist_ok=True)
    bench.add(name)
    bench.turn(judged(CHECK))
    output = Path(row(bench, name).output)
    assert output.is_file()
    assert row(bench, name).confidence == CHECK
    return output


def where(bench: Bench, name: str = "a.jpg") -> str:
    """Return where a cut-out is, below the outbox."""
    return os.path.relpath(row(bench, name).output, bench.outbox)


def test_accepted_twice_moves_once(bench: Bench) -> None:
    """The second time nothing of it wants a look; the original has gone its way, once."""
    doubtful(bench)
    assert (bench.inbox / "a.jpg").exists()
    assert Review(bench.place).accept("a.jpg")
    assert not Review(bench.place).accept("a.jpg")
    assert not Review(bench.place).accept("nobody.jpg")
    assert (where(bench), row(bench).confidence, row(bench).state) == ("a.png", "seen", JobState.DONE)
    assert row(bench).original == str(bench.inbox.parent / "done" / "a.jpg")
    assert not (bench.inbox / "a.jpg").exists()


def test_accepted_cut_out_replaces_nobody(bench: Bench, tmp_path: Path) -> None:
    """Somebody's file, another photo's name, and in the end no name at all: then it stays where it is, accepted."""
    doubtful(bench)
    (bench.outbox / "a.png").write_bytes(b"somebody's")
    other = Place(
        tmp_path / "in2", bench.place.outbox, Recipe("m"), Originals("keep", tmp_path), bench.ledger, Breaker("out"),
        Errands("other"),
    )  # fmt: skip
    taken = bench.outbox / "a.jpg.png"
    bench.ledger.put(other.name, "a.jpg", replace(row(bench), output=str(taken)))  # chosen, and not there yet
    Review(bench.place).accept("a.jpg")
    assert where(bench) not in ("a.png", "a.jpg.png")
    assert Path(row(bench).output).is_file()
    assert (bench.outbox / "a.png").read_bytes() == b"somebody's"
    assert not taken.exists()
    doubtful(bench, "b.jpg")
    for name in ("b.png", "b.jpg.png"):
        (bench.outbox / name).mkdir()
    names = Review(bench.place)._names("b.jpg", row(bench, "b.jpg"))
    for path in [*names][2:]:
        Path(path).write_bytes(b"somebody's")
    with pytest.raises(NameTaken):
        Review(bench.place).accept("b.jpg")
    assert (where(bench, "b.jpg"), row(bench, "b.jpg").confidence) == ("Review/b.png", "accepted")
    (bench.outbox / "b.png").rmdir()
    Review(bench.place).look_after("b.jpg")
    assert (where(bench, "b.jpg"), row(bench, "b.jpg").confidence) == ("b.png", "seen")


def test_review_folder_that_cannot_be_looked_into_says_nothing(bench: Bench) -> None:
    """Not there is looked at; not to be read is not. An acceptance is told as trouble, and carried out later."""
    output = doubtful(bench)
    review = output.parent
    review.rename(bench.outbox / "away")
    review.symlink_to("Review")  # a link to itself: ELOOP, as EACCES would be for somebody who is not root
    Review(bench.place).look_after("a.jpg")
    assert row(bench).confidence == CHECK
    with pytest.raises(OutputError):
        Review(bench.place).accept("a.jpg")
    assert row(bench).confidence == Confidence.ACCEPTED
    review.unlink()
    (bench.outbox / "away").rename(review)
    Review(bench.place).look_after("a.jpg")
    assert (where(bench), row(bench).confidence) == ("a.png", "seen")


def test_outbox_that_is_away_says_nothing(bench: Bench) -> None:
    """Neither that somebody has removed something, nor where what was accepted is."""
    doubtful(bench)
    bench.outbox.rename(bench.outbox.with_name("away"))
    Review(bench.place).look_after("a.jpg")
    bench.outbox.mkdir()  # the mount point is there, its disk is not
    Review(bench.place).look_after("a.jpg")
    assert row(bench).confidence == CHECK
    assert Review(bench.place).accept("a.jpg")
    assert row(bench).confidence == Confidence.ACCEPTED
    bench.outbox.rmdir()
    bench.outbox.with_name("away").rename(bench.outbox)
    Review(bench.place).look_after("a.jpg")
    assert where(bench) == "a.png"


def test_file_in_the_way_of_the_review_folder_costs_no_photo(bench: Bench) -> None:
    """A file called Review: the photo waits; once it is away the cut-out goes there."""
    (bench.outbox / "Review").write_bytes(b"somebody's")
    bench.add("a.jpg")
    bench.turn(judged(CHECK))
    assert row(bench).state is JobState.WAITING
    assert (bench.outbox / "Review").read_bytes() == b"somebody's"
    assert bench.outputs() == ["Review"]
    (bench.outbox / "Review").unlink()
    bench.now += 700
    bench.scheduler.pump(bench.now)
    bench.turn(judged(CHECK))
    assert where(bench) == "Review/a.png"


def test_what_is_moved_by_hand_is_known_by_its_content_or_its_tag(bench: Bench) -> None:
    """As it was, its original moves now; with its tag alone it is not safe to; elsewhere or gone it is looked at."""
    doubtful(bench).rename(bench.outbox / "a.png")
    Review(bench.place).look_after("a.jpg")
    assert (where(bench), row(bench).confidence, row(bench).state) == ("a.png", "seen", JobState.DONE)
    assert not (bench.inbox / "a.jpg").exists()
    edited = doubtful(bench, "b.jpg").rename(bench.outbox / "b.png")
    content, word = edited.read_bytes(), b"tEXtComment\0mine"
    chunk = (len(word) - 4).to_bytes(4, "big") + word + zlib.crc32(word).to_bytes(4, "big")
    edited.write_bytes(content[:-12] + chunk + content[-12:])
    Review(bench.place).look_after("b.jpg")
    assert (where(bench, "b.jpg"), row(bench, "b.jpg").confidence) == ("b.png", "seen")
    assert (bench.inbox / "b.jpg").exists()
    doubtful(bench, "c.jpg").rename(bench.outbox.parent / "elsewhere.png")
    Review(bench.place).look_after("c.jpg")
    assert (where(bench, "c.jpg"), row(bench, "c.jpg").confidence) == ("Review/c.png", "seen")
    assert (bench.inbox / "c.jpg").exists()


def test_cut_out_that_was_to_leave_and_did_not_is_found(bench: Bench) -> None:
    """A name was chosen beside the others when somebody died, and the try came to nothing after that: it waits."""
    output = doubtful(bench)
    bench.ledger.put(str(bench.inbox), "a.jpg", replace(row(bench), output=str(bench.outbox / "a.png")))
    Review(bench.place).look_after("a.jpg")
    assert (row(bench).output, row(bench).confidence) == (str(output), "check")
    output.unlink()
    Review(bench.place).look_after("a.jpg")
    assert row(bench).confidence == "seen"


def test_photo_that_is_gone_or_another_one_by_now_may_be_accepted(bench: Bench) -> None:
    """The cut-out goes to its place; a photo that took the other's place stays, and is cut."""
    doubtful(bench)
    (bench.inbox / "a.jpg").unlink()
    assert Review(bench.place).accept("a.jpg")
    assert (where(bench), row(bench).state, row(bench).original) == ("a.png", JobState.DONE, "")
    doubtful(bench, "b.jpg")
    (bench.inbox / "b.jpg").write_text("other bytes")
    assert Review(bench.place).accept("b.jpg")
    assert (bench.inbox / "b.jpg").exists()
    bench.add("b.jpg")
    bench.turn(judged(FINE))
    assert (where(bench, "b.jpg"), row(bench, "b.jpg").confidence) == ("b.png", "fine")
    assert sorted(path.name for path in bench.outbox.rglob("*.png")) == ["a.png", "b.png"]


def test_look_at_what_was_cut_again_meanwhile_counts_for_nothing(bench: Bench) -> None:
    """Between finding out and writing down: the new row is about another cut-out."""
    doubtful(bench)
    before = row(bench)
    bench.ledger.put(str(bench.inbox), "a.jpg", replace(before, output=str(bench.outbox / "a.png"), model="x"))
    Review(bench.place)._note_seen("a.jpg", before, "")
    assert (row(bench).confidence, row(bench).model) == ("check", "x")


def test_identical_cut_out_of_another_folders_photo_stays(bench: Bench, tmp_path: Path) -> None:
    """Two folders share an outbox and have the same photo: each takes back its own."""
    place = bench.place = replace(bench.place, originals=Originals("keep", tmp_path))
    bench.backlog.places = bench.scheduler.places = [place]
    bench.add("a.jpg")
    bench.turn(judged(FINE))
    theirs = bench.outbox / "a.jpg.png"
    theirs.write_bytes((bench.outbox / "a.png").read_bytes())
    bench.ledger.put(str(tmp_path / "in2"), "a.jpg", replace(row(bench), output=str(theirs)))
    ask_again(bench, "a.jpg")
    bench.turn(judged(CHECK))
    assert where(bench) == "Review/a.png"
    assert bench.outputs() == ["Review", "a.jpg.png"]


def test_photo_without_a_subject_stays_and_may_be_cut_by_another_model(bench: Bench) -> None:
    """Skipped: no picture, its original stays. Cut again and found, all goes its way; nothing found, all stays."""
    bench.add("a.jpg")
    bench.turn(judged(NO_SUBJECT))
    for _again in range(2):
        assert (row(bench).state, row(bench).code, row(bench).confidence) == ("skipped", "no-subject", "no-subject")
        assert bench.outputs() == []
        assert (bench.inbox / "a.jpg").exists()
        ask_again(bench, "a.jpg")
        bench.turn(judged(NO_SUBJECT))
    ask_again(bench, "a.jpg")
    bench.turn(judged(FINE))
    assert (row(bench).state, row(bench).code, row(bench).confidence) == ("done", "", "fine")
    assert not (bench.inbox / "a.jpg").exists()
    assert bench.scheduler.tally.done == 1


def test_accepting_while_it_is_cut_again_changes_nothing(bench: Bench) -> None:
    """What is asked for last counts: the other cut-out is looked at by itself."""
    doubtful(bench)
    ask_again(bench, "a.jpg")
    assert not Review(bench.place).accept("a.jpg")
    bench.hand_out()
    assert not Review(bench.place).accept("a.jpg")
    bench.turn(judged(CHECK))
    assert (where(bench), row(bench).confidence, row(bench).model) == ("Review/a.png", "check", "x")


def test_accepted_just_before_it_is_cut_again(bench: Bench) -> None:
    """Written down and not moved yet: it is moved, it still waits, and the new one takes its place."""
    doubtful(bench)
    bench.ledger.put(str(bench.inbox), "a.jpg", replace(row(bench), confidence="accepted"))
    ask_again(bench, "a.jpg")
    Review(bench.place).look_after("a.jpg")
    assert (where(bench), row(bench).state, row(bench).wanted) == ("a.png", JobState.WAITING, "x")
    bench.turn(judged(FINE))
    assert (where(bench), row(bench).model, row(bench).confidence) == ("a.png", "x", "fine")
    assert [path.name for path in bench.outbox.rglob("*.png")] == ["a.png"]


def test_wish_for_another_model_outlives_the_photo_in_work(bench: Bench) -> None:
    """Asked for while the network has it: that result is not the last word, be it a picture, a refusal or a drop."""
    results: list[Staged | PhotoRefused] = []

    def answer(task: Task) -> Staged | PhotoRefused:
        return results.pop() if results else cut(task, FINE, task.recipe.model)

    def overtaken(name: str, result: Callable[[Task], Staged | PhotoRefused], model: str = "x") -> None:
        bench.hand_out()
        ((task, _future),) = bench.workforce.tasks
        results.append(result(task))
        ask_again(bench, name, model)
        bench.turn(answer)
        assert row(bench, name).state is JobState.WAITING
        bench.turn(answer)
        assert (row(bench, name).state, row(bench, name).model) == (JobState.DONE, model or "m")

    bench.add("a.jpg")
    overtaken("a.jpg", judged(FINE))
    bench.add("b.jpg")
    overtaken("b.jpg", lambda _task: PhotoRefused("It cannot."))
    for name, model in (("c.jpg", "x"), ("d.jpg", "")):
        doubtful(bench, name)
        os.utime(bench.inbox / name)
        bench.add(name)
        overtaken(name, judged(CHECK), model)
        assert row(bench, name).confidence == "fine"


def second_try(tmp_path: Path, no_subject: NoSubject = NoSubject.SKIP) -> Bench:
    """Return a bench with a photo that waits for its second try."""
    recipe = Recipe("m", check=OnCheck.REVIEW, second="s", no_subject=no_subject)
    bench = Bench(tmp_path, recipe=recipe, policy="move")
    bench.add("a.jpg")
    bench.turn(judged(CHECK))
    assert (row(bench).state, row(bench).wanted, row(bench).front) == (JobState.WAITING, "s", LATER)
    return bench


def close(bench: Bench) -> None:
    """End it."""
    bench.scheduler.close()
    bench.ledger.close()


@pytest.mark.parametrize("in_work", [False, True], ids=["waiting", "in work"])
@pytest.mark.parametrize("result", ["fine", "nothing", "refused"])
def test_second_try_that_nobody_asks_for_any_more(tmp_path: Path, result: str, *, in_work: bool) -> None:
    """A reload takes the setting back: what waits stays as it is; in work it ends as it would have."""
    bench = second_try(tmp_path)
    if in_work:
        bench.hand_out()
    bench.ledger.forget_second_tries(but_for="s")
    assert row(bench).wanted == "s"
    bench.ledger.forget_second_tries(but_for="other")
    bench.backlog.forget()
    if not in_work:
        bench.place = replace(bench.place, recipe=replace(bench.place.recipe, second=""))
        bench.backlog.places = bench.scheduler.places = bench.scheduler.decisions.places = [bench.place]
    words = {"fine": FINE, "nothing": NO_SUBJECT}

    def answer(task: Task) -> Staged | PhotoRefused:
        if task.recipe.model == "m":
            assert task.done_sha256
            return cut(task)
        return judged(words[result])(task) if result in words else PhotoRefused("It cannot.")

    bench.turn(answer)
    is_better = in_work and result == "fine"
    assert (row(bench).state, row(bench).confidence) == (JobState.DONE, "fine" if is_better else "check")
    assert where(bench) == ("a.png" if is_better else "Review/a.png")
    assert Path(row(bench).output).is_file()
    assert (bench.scheduler.tally.done, bench.scheduler.tally.failed, bench.scheduler.tally.skipped) == (1, 0, 0)
    assert (bench.inbox / "a.jpg").exists() != is_better
    close(bench)


def test_model_that_somebody_has_named_is_no_second_try(tmp_path: Path) -> None:
    """What waits for that goes on waiting for it, whatever the setting says."""
    bench = second_try(tmp_path)
    ask_again(bench, "a.jpg")
    bench.ledger.forget_second_tries()
    assert row(bench).wanted == "x"
    close(bench)


def test_somebodys_choice_of_a_model_is_the_last_word(tmp_path: Path) -> None:
    """Cut again with a model that he names, a photo gets no second try; cut again by its folder's, it does."""
    bench = second_try(tmp_path)
    ask_again(bench, "a.jpg")
    bench.turn(judged(CHECK))
    assert (row(bench).state, row(bench).model, row(bench).confidence) == (JobState.DONE, "x", "check")
    ask_again(bench, "a.jpg", "")
    bench.turn(judged(CHECK))
    assert (row(bench).state, row(bench).model, row(bench).wanted) == (JobState.WAITING, "m", "s")
    close(bench)


def test_new_bytes_are_no_second_try_even_where_somebody_was_in_a_hurry(tmp_path: Path) -> None:
    """`bgzero add` brings the second try to the front; bytes that change then are another photo, and may be refused."""
    bench = second_try(tmp_path)
    bench.ledger.put(str(bench.inbox), "a.jpg", replace(row(bench), front=1))
    (bench.inbox / "a.jpg").write_text("other bytes")
    bench.add("a.jpg")
    assert row(bench).wanted == ""
    bench.turn(lambda _task: PhotoRefused("It cannot.", code=Code.DAMAGED))
    assert row(bench).state is JobState.FAILED
    close(bench)


def test_fate_of_an_original_says_nothing_about_its_cut_out(bench: Bench) -> None:
    """Looked at between a round's beginning and its end: it stays looked at."""
    output = doubtful(bench)
    before = replace(row(bench), state=JobState.PUBLISHED)
    bench.ledger.put(str(bench.inbox), "a.jpg", replace(before, confidence="seen"))
    LastSteps(bench.place).see_to_original("a.jpg", before)
    assert (row(bench).state, row(bench).confidence) == (JobState.DONE, "seen")
    assert output.exists()


def test_lost_ledger_tells_the_review_folder_from_a_folder_of_that_name(tmp_path: Path) -> None:
    """An inbox may have a folder called Review: what lies below it in the outbox is of the photo with its content."""
    bench = Bench(tmp_path, recipe=Recipe("m", check=OnCheck.REVIEW))
    doubtful(bench, "x.jpg")
    (bench.inbox / "Review").mkdir()
    (bench.inbox / "Review" / "x.jpg").write_text("another photo")
    bench.add("Review/x.jpg")
    bench.turn(judged(FINE))
    outputs = {name: (where(bench, name), row(bench, name).confidence) for name in ("x.jpg", "Review/x.jpg")}
    assert outputs == {"x.jpg": ("Review/x.png", "check"), "Review/x.jpg": ("Review/x.jpg.png", "fine")}
    close(bench)
    bench.ledger = Ledger(None, [str(bench.inbox)])
    place = replace(bench.place, ledger=bench.ledger, outbox=Outbox(bench.outbox, umask=0o022))
    recovery.recover([place], bench.ledger)
    assert outputs == {name: (where(bench, name), row(bench, name).confidence) for name in outputs}
    bench.ledger.close()
