"""The original's fate, where the outbox comes and goes between publishing and reading back."""

from pathlib import Path

from bgzero_daemon.core.job import Fingerprint, JobState
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.service.breaker import Breaker
from bgzero_daemon.service.errand import Errands
from bgzero_daemon.service.last_steps import LastSteps
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.originals import Originals
from bgzero_daemon.service.outbox import Outbox
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.published import sha256_of
from bgzero_daemon.service.record import Record
from tests.home import photo


def test_original_waits_for_an_outbox_that_is_away(tmp_path: Path) -> None:
    """Unmounted in between: the cut-out is not gone, so the original's turn comes when the outbox is back."""
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    outbox.mkdir()
    source, output = photo(inbox / "a.jpg"), photo(outbox / "a.png")
    ledger = Ledger(None, [str(inbox)])
    originals, box = Originals("move", tmp_path / "Done"), Outbox(outbox, umask=0o022)
    steps = LastSteps(Place(inbox, box, Recipe("m"), originals, ledger, Breaker("out"), Errands("place")))
    record = Record(
        Fingerprint.of(source.stat()), JobState.PUBLISHED, output=str(output), output_sha256=sha256_of(output)
    )
    ledger.put(str(inbox), "a.jpg", record)

    outbox.rename(tmp_path / "away")
    steps.see_to_original("a.jpg", record)
    outbox.mkdir()  # the mount point is there, its disk is not
    steps.see_to_original("a.jpg", record)
    assert ledger.get(str(inbox), "a.jpg") == record
    assert source.exists()

    outbox.rmdir()
    (tmp_path / "away").rename(outbox)
    steps.see_to_original("a.jpg", record)
    known = ledger.get(str(inbox), "a.jpg")
    assert known
    assert (known.state, known.original) == (JobState.DONE, str(tmp_path / "Done" / "a.jpg"))
    assert not source.exists()
