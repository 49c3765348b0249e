"""Which folder's photo comes next."""

from pathlib import Path

from bgzero_daemon.core.job import Fingerprint
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.service.backlog import Backlog
from bgzero_daemon.service.breaker import Breaker
from bgzero_daemon.service.errand import Errands
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.originals import Originals
from bgzero_daemon.service.outbox import Outbox
from bgzero_daemon.service.place import Place

MARK = Fingerprint(1, 2, 3, 4, 5)


def backlog(tmp_path: Path, models: list[str], photos: int, *, newest: bool = False) -> Backlog:
    """Folders with the given models and as many photos each."""
    ledger = Ledger(None, [str(tmp_path / str(number)) for number in range(len(models))])
    places = []
    for number, model in enumerate(models):
        inbox = tmp_path / str(number)
        inbox.mkdir()
        originals = Originals("keep", tmp_path)
        box = Outbox(tmp_path, umask=0o022)
        places.append(Place(inbox, box, Recipe(model), originals, ledger, Breaker(""), Errands("")))
        for photo in range(photos):
            ledger.arrive(str(inbox), f"{photo:03d}.jpg", MARK)
    return Backlog(ledger, places, 4, newest=newest)


def taken(queue: Backlog, count: int) -> list[tuple[int, str]]:
    """Take jobs that end at once."""
    found = []
    for _time in range(count):
        job = queue.take(0.0, (), ())
        assert job
        queue.ledger.remove(queue.places[job.key.folder].name, job.key.rel)
        queue.note_leftover(job.key.folder)
        found.append((job.key.folder, job.key.rel))
    return found


def test_folders_of_one_model_take_turns(tmp_path: Path) -> None:
    """A full folder does not keep a small one waiting."""
    assert [folder for folder, _rel in taken(backlog(tmp_path, ["m", "m"], 10), 6)] == [0, 1, 0, 1, 0, 1]


def test_folders_of_different_models_do_not_change_it_for_every_photo(tmp_path: Path) -> None:
    """32 photos for one, then the other gets its turn; both end."""
    order = [folder for folder, _rel in taken(backlog(tmp_path, ["m", "n"], 50), 100)]
    changes = [number for number in range(1, 100) if order[number] != order[number - 1]]
    assert changes == [32, 64, 82]


def test_folder_whose_outbox_is_in_trouble_is_passed_over(tmp_path: Path) -> None:
    """And it waits without being asked for again and again."""
    queue = backlog(tmp_path, ["m", "m"], 3)
    jobs = [queue.take(0.0, (), {0}) for _time in range(4)]
    assert [job.key.folder if job else None for job in jobs] == [1, 1, 1, None]
    assert not queue.is_empty


def test_newest_first_is_by_arrival_and_sees_what_just_came(tmp_path: Path) -> None:
    """Whatever is in memory already."""
    queue = backlog(tmp_path, ["m"], 9, newest=True)
    assert taken(queue, 2) == [(0, "008.jpg"), (0, "007.jpg")]
    queue.ledger.arrive(queue.places[0].name, "new.jpg", MARK)
    queue.note_arrival(0)
    assert taken(queue, 2) == [(0, "new.jpg"), (0, "006.jpg")]


def test_all_are_taken_and_then_it_is_empty(tmp_path: Path) -> None:
    """However few fit into memory."""
    queue = backlog(tmp_path, ["m", "m", "n"], 11)
    assert len(set(taken(queue, 33))) == 33
    assert queue.take(0.0, (), ()) is None
    assert queue.is_empty


def test_few_are_in_memory_whatever_waits(tmp_path: Path) -> None:
    """As many as asked for; the rest are rows."""
    queue = backlog(tmp_path, ["m", "m"], 500)
    assert queue.take(0.0, (), ())
    assert sum(map(len, queue._ready)) < 2 * queue.capacity
