"""Deaths in the last steps of a photo, without a network: each in a process that is forked from one without threads.

`python -m tests.fault.deaths ROOT` makes a folder below ROOT for each of `CASES`, lives there until the death, and
fails unless all died. Whoever looks at what was left goes on with `Bench` over the same folder.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.crash import VARIABLE
from bgzero_daemon.core.job import JobState, Staged, Task
from bgzero_daemon.core.recipe import OnCheck, Recipe
from bgzero_daemon.service.record import REDO
from bgzero_daemon.service.review import Review
from tests.service.test_scheduler import Bench, cut

STEPS = ("name-chosen", "linked", "unlinked", "folder-flushed", "published", "taken-back", "done-written")
# What a cut-out does when its photo is cut again; a second try, and one that nobody asks for after the death; a look;
# another template, one that is another again after the death, and one that changes no byte of the cut-out.
LIVES = {
    "leaves": STEPS,
    "enters": STEPS,
    "second": STEPS,
    "let-be": STEPS,
    "accepted": ("accept-written", "accept-moved", "accept-done"),
    "moves": STEPS,
    "moves-on": STEPS,
    "moves-as-it-is": STEPS,
}
MOVES = ("moves", "moves-on", "moves-as-it-is")
CASES = [(life, point) for life, points in LIVES.items() for point in points]


def judged(word: Confidence) -> Callable[[Task], Staged]:
    """Return what cuts any photo, by the model that is asked for, and thinks this of it."""
    return lambda task: cut(task, word, task.recipe.model)


def bench_of(root: Path, life: str, template: str = "") -> Bench:
    """Return the bench of a life, which doubtful cut-outs are held back on; originals that are to be cut again stay."""
    second = "s" if life in ("second", "let-be") else ""
    recipe = Recipe("m", check=OnCheck.REVIEW, second=second, template=template)
    return Bench(root, recipe=recipe, policy="keep" if life in ("enters", *MOVES) else "move")


def ask_again(bench: Bench, name: str, model: str = "x") -> None:
    """Have a photo cut again with another model, "" for its folder's, as `bgzero redo` does."""
    known = bench.ledger.get(str(bench.inbox), name)
    assert known
    bench.ledger.put(str(bench.inbox), name, replace(known, state=JobState.WAITING, front=REDO, wanted=model))
    bench.backlog.note_arrival(0, is_urgent=True)


def die(root: Path, life: str, point: str) -> None:
    """Live until this point."""
    bench = bench_of(root, life)
    bench.add("a.jpg")
    bench.turn(judged(Confidence.FINE if life in ("enters", *MOVES) else Confidence.CHECK))
    if life in MOVES:
        bench.scheduler.close()
        bench.ledger.close()
        bench = bench_of(root, life, "new/{stem}")
    os.environ[VARIABLE] = point
    if life == "accepted":
        Review(bench.place).accept("a.jpg")
        return
    if life in ("leaves", "enters", *MOVES):
        ask_again(bench, "a.jpg", "" if life == "moves-as-it-is" else "x")
    bench.turn(judged(Confidence.CHECK if life == "enters" else Confidence.FINE))


def main(root: Path) -> int:
    """Die in all ways, at once: most of it is waiting. Returns how many lived on."""
    children, survivors = {}, 0
    for life, point in CASES:
        folder = root / f"{life}-{point}"
        folder.mkdir()
        if not (child := os.fork()):
            try:
                die(folder, life, point)
            finally:
                os._exit(1)
        children[child] = life, point
    for child, (life, point) in children.items():
        _pid, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            print(f"{life} lives on at {point}")
            survivors += 1
    return survivors


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
