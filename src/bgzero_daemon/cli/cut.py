"""`bgzero cut`: single photos, through the same worker and the same publishing as the daemon."""

import argparse
import itertools
import logging
import os
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bgzero_daemon.catalog import choice, licences, shelf
from bgzero_daemon.cli.interrupts import end_on_sigterm, uninterrupted
from bgzero_daemon.cli.source import Sources, pixels_of
from bgzero_daemon.cli.target import Target
from bgzero_daemon.core.confidence import Confidence, words_of
from bgzero_daemon.core.errors import (
    BgzeroError,
    Code,
    Exit,
    OutputError,
    PhotoCrashed,
    PhotoSkipped,
    WorkforceLost,
)
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.names import display, to_wire
from bgzero_daemon.core.recipe import Depth, Edges, Metadata, Png, Product, Recipe
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.chosen import in_force, name_of
from bgzero_daemon.service.outbox import Outbox, StagedFile, read_umask
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.published import tag_of
from bgzero_daemon.settings.load import load

_TRIES_ALONE = 2


@dataclass(frozen=True, slots=True)
class Held:
    """A photo in work, with what was opened for it."""

    photo: str
    target: Target
    source: BinaryIO
    staged: StagedFile | BinaryIO

    @property
    def descriptor(self) -> int:
        """The staged file's descriptor."""
        return self.staged.descriptor if isinstance(self.staged, StagedFile) else self.staged.fileno()

    def let_go(self) -> None:
        """Close everything; what was not published goes away."""
        self.source.close()
        if isinstance(self.staged, StagedFile):
            self.staged.discard()
        else:
            self.staged.close()


class Cutter:
    """Cuts a list of photos. `report` is called with each photo and what became of it; `told` gets each failure."""

    def __init__(self, workforce: LocalWorkforce, recipe: Recipe, told: list[str]) -> None:
        self._workforce, self._recipe, self._told = workforce, recipe, told
        self._sources = Sources()
        self._umask = read_umask()
        self._taken: dict[Path, str] = {}
        self._held: dict[Future[Staged], Held] = {}
        self._open: list[Held] = []
        self._numbers = itertools.count(1)
        self.done = self.failed = 0
        self.hints: dict[str, None] = {}  # for photos that were skipped, each once

    def cut(self, photos: list[tuple[str, Target]], report: Callable[[], None]) -> None:
        """Cut every photo once; those that went down with a worker again, one at a time.

        Raises WorkforceLost where the worker cannot be had at all.
        """
        waiting, again = deque(photos), []
        while waiting or self._held:
            while waiting and (not self._held or self._workforce.places(self._recipe.model) > 0):
                self._start(*waiting.popleft(), report)
            for future in wait(self._held, return_when=FIRST_COMPLETED).done:
                held = self._held.pop(future)
                if self._end(held, future, is_last=False):
                    again.append((held.photo, held.target))
                else:
                    report()
        for photo, target in again:
            for attempt in range(1, _TRIES_ALONE + 1):
                self._start(photo, target, report, is_alone=True)
                if not self._held:  # it is gone meanwhile, which was said
                    break
                future, held = self._held.popitem()
                wait([future])
                if not self._end(held, future, is_last=attempt == _TRIES_ALONE):
                    break
            report()

    def _start(self, photo: str, target: Target, report: Callable[[], None], *, is_alone: bool = False) -> None:
        try:
            source = self._sources.open(photo)
        except OSError as error:
            self._fail(photo, _("it cannot be read: {why}.").format(why=error.strerror))
            report()
            return
        try:
            with uninterrupted():
                held = Held(photo, target, source, self._stage(target))
                self._open.append(held)
        except BgzeroError as error:
            source.close()
            self._fail(photo, str(error), error.hint)
            report()
            return
        name = to_wire(os.path.basename(photo))
        task = Task(
            str(next(self._numbers)), name, self._recipe, source.fileno(), held.descriptor,
            is_alone=is_alone, size_bytes=os.fstat(source.fileno()).st_size, pixels=pixels_of(source),
        )  # fmt: skip
        self._held[self._workforce.submit(task)] = held

    def _stage(self, target: Target) -> StagedFile | BinaryIO:
        if target.folder is None:
            return tempfile.TemporaryFile()
        try:
            target.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BgzeroError(
                _("{folder} cannot be made: {why}.").format(folder=display(target.folder), why=error.strerror)
            ) from error
        return Outbox(target.folder, umask=self._umask).stage()

    def _end(self, held: Held, future: "Future[Staged]", *, is_last: bool) -> bool:
        """Publish a result or say what went wrong. Returns True where the photo is worth another try."""
        try:
            self._publish(held, future.result())
        except (PhotoCrashed, WorkforceLost) as error:
            is_lost = isinstance(error, WorkforceLost)
            if is_lost and (is_last or self._workforce.failing()):
                raise
            if not is_last:
                return True
            self._fail(held.photo, str(error), error.hint)
        except PhotoSkipped as error:
            self._tell(_("{photo}: skipped. {why}").format(photo=display(held.photo), why=error))
            if error.code == Code.LATER_KIND:
                self.hints[error.hint] = None
        except BgzeroError as error:
            self._fail(held.photo, str(error), error.hint)
        else:
            self.done += 1
        finally:
            held.let_go()
            self._open.remove(held)
        return False

    def _publish(self, held: Held, staged: Staged) -> None:
        if staged.confidence in (Confidence.CHECK, Confidence.NO_SUBJECT):
            print(f"{display(held.photo)}: {words_of(staged.confidence, staged.doubt)}", file=sys.stderr)
        if isinstance(held.staged, StagedFile) and held.target.folder is not None:
            folder = held.target.folder
            names = [name for name in held.target.names if self._taken.get(folder / name, held.photo) == held.photo]
            name = self._give_name(Outbox(folder, umask=self._umask), held.staged, staged, names)
            self._taken[folder / name] = held.photo
            _print_path(folder / name)
        elif not isinstance(held.staged, StagedFile):
            held.staged.seek(0)
            shutil.copyfileobj(held.staged, sys.stdout.buffer)
            sys.stdout.buffer.flush()

    def _give_name(self, outbox: Outbox, file: StagedFile, staged: Staged, names: list[str]) -> str:
        """Publish under the first name that is free, or that is our own cut-out of the same content."""
        outbox.seal(file, staged)
        for name in names:
            is_own = tag_of(outbox.root / name).get("source_sha256") == staged.source_sha256
            if outbox.publish(file, name, may_replace=is_own):
                return name
        raise OutputError(
            _("{names} in {folder} belongs to somebody else and is left as it is.").format(
                names=", ".join(map(display, names)), folder=display(outbox.root)
            ),
            hint=_("Move it away, or choose another place."),
        )

    def _fail(self, photo: str, sentence: str, hint: str = "") -> None:
        self.failed += 1
        self._tell(f"{display(photo)}: {sentence}" + (f" {hint}" if hint else ""))

    def _tell(self, line: str) -> None:
        self._told.append(line)
        print(line, file=sys.stderr)

    def abandon(self) -> None:
        """Let go of everything that is still in work."""
        for held in self._open:
            with suppress(OSError):  # interrupted in the middle of that before
                held.let_go()


def _print_path(path: Path) -> None:
    """Print a result's path: fit for a terminal, or byte for byte where a program reads it."""
    if sys.stdout.isatty():
        print(display(path))
    else:
        sys.stdout.buffer.write(os.fsencode(path) + b"\n")
        sys.stdout.buffer.flush()


@contextmanager
def _progress(count: int) -> Iterator[Callable[[], None]]:
    """Show a bar where there is more than one photo and somebody to look at it."""
    if count < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(_("Cutting"), total=count)
        yield lambda: bar.advance(task)


def cut(arguments: argparse.Namespace, told: list[str] | None = None) -> int:
    """Cut the photos named; print the path of each result. `told` gets a line for each photo that was not cut."""
    if not arguments.verbose:
        logging.getLogger().setLevel(logging.WARNING)
    end_on_sigterm()
    config = in_force(load(arguments.config)).config
    product = Product.MASK if arguments.mask_only else Product.CUTOUT
    model = name_of(arguments.model or config.model.name, config)
    png, edges = Png(arguments.png or config.output.png), Edges(arguments.edges or config.output.edges)
    metadata = Metadata(arguments.metadata or config.output.metadata)
    depth = Depth(arguments.depth or config.output.depth)
    recipe = Recipe(model, metadata, product, png, edges, depth)
    if arguments.accept_licence:
        licences.accept(shelf.find(recipe.model))
    models = {recipe.model: choice.usable(recipe.model)}
    photos = [
        (photo, Target.of(photo, arguments.output, is_single=len(arguments.photos) == 1, product=product))
        for photo in arguments.photos
    ]
    workforce = LocalWorkforce(config, models)
    cutter = Cutter(workforce, recipe, [] if told is None else told)
    try:
        with _progress(len(photos)) as report:
            cutter.cut(photos, report)
    except BaseException:
        workforce.close(kill=True)
        cutter.abandon()
        raise
    workforce.close()
    for hint in filter(None, cutter.hints):
        print(hint, file=sys.stderr)
    return Exit.OK if cutter.done and not cutter.failed else Exit.SOME_FAILED
