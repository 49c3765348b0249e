"""`bgzero bench`: what somebody gets on this machine, with the daemon's own configuration, worker and last steps."""

import argparse
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path

from bgzero_daemon import __version__, client
from bgzero_daemon.catalog import choice
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.cli import plot, specimens
from bgzero_daemon.cli.bench import asking
from bgzero_daemon.cli.gauge import Cost
from bgzero_daemon.cli.interrupts import end_on_sigterm, uninterrupted
from bgzero_daemon.cli.specimens import Rounds
from bgzero_daemon.cli.speedrun import Passage, Track
from bgzero_daemon.cli.speedtable import Ground, Row, about, heading, lines
from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, Exit, PhotoCrashed, PhotoRefused, UsageError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.providers import CPU, RUNTIME_NAMES
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import machine
from bgzero_daemon.service.chosen import in_force, name_of
from bgzero_daemon.service.outbox import Outbox, free_bytes, read_umask
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.sizes import Sizes
from bgzero_daemon.settings.load import load
from bgzero_daemon.settings.schema import Config

_UNKNOWN_PIXELS = 24_000_000
_DRAWN_BYTES, _OWN_BYTES = 0.75, 2.0  # a cut-out has for each of a photo's pixels, and a drawn picture's file half
_MOST_PHOTOS = 1000

Report = Callable[[str, int], None]
Measured = tuple[list[Passage], tuple[list[Passage], Cost]]  # alone; together, with what that took


def bench(arguments: argparse.Namespace) -> int:
    """Measure photos of each size alone and together; print what came out, and what could not be cut."""
    if not arguments.verbose:
        logging.getLogger().setLevel(logging.WARNING)
    end_on_sigterm()
    if not 1 <= arguments.photos_each <= _MOST_PHOTOS:
        raise UsageError(_("--photos-each takes a number from 1 to {most}.").format(most=_MOST_PHOTOS))
    if arguments.svg:
        _check_place(Path(arguments.svg))
    config = in_force(load(arguments.config)).config
    name = name_of(arguments.model or config.model.name, config)
    config = asking(config, name, arguments.provider or config.model.provider)
    model = choice.usable(name)
    if arguments.photos:
        rounds = specimens.given(arguments.photos, arguments.photos_each)
    else:
        sizes = specimens.sizes_of(arguments.megapixels, config.limits.megapixels)
        rounds = specimens.drawn(sizes, arguments.photos_each)
    not_cut: list[tuple[str, str]] = []
    ground, rows = _measure(config, model, name, rounds, not_cut)
    if not rows:
        raise BgzeroError(_("None of these photos can be cut."))
    if arguments.svg:
        _draw_plot(Path(arguments.svg), ground, rows)
    if arguments.json:
        print_json(_told(ground, rows, not_cut))
    else:
        print("\n".join(lines(ground, rows)))
    return Exit.SOME_FAILED if not_cut else Exit.OK


def _measure(
    config: Config, model: Model, name: str, rounds: Sequence[Rounds], not_cut: list[tuple[str, str]]
) -> tuple[Ground, list[Row]]:
    """Take every size in turn; `not_cut` gets photos that cannot be cut, and why. Raises BgzeroError."""
    is_shared, load_average = _is_daemon_at_work(), os.getloadavg()[0]
    recipe = Recipe(
        name, config.output.metadata, png=config.output.png, edges=config.output.edges, depth=config.output.depth
    )
    sizes = Sizes.of(config)
    with _private_folder(_needed_bytes(rounds, sizes.workers * (sizes.lanes + 1))) as folder:
        workforce = LocalWorkforce(config, {name: model}, nice=config.worker.nice)
        track = Track(workforce, recipe, Outbox(folder, umask=read_umask()))
        try:
            found: list[Measured] = []
            with _progress(sum(one.steps for one in rounds)) as report:
                for one in rounds:
                    found += _go(track, one, folder, report, not_cut, niceness=config.worker.nice)
            told: Mapping[str, object] = next(iter(workforce.told), {})
        finally:
            with uninterrupted():  # nothing is left behind, and nobody writes when the folder goes
                workforce.close(kill=True)
                track.close()
    provider = str(told.get("provider", ""))
    ground = Ground(
        version=__version__, processor=machine.processor(), cores=machine.cores(), load=round(load_average, 2),
        memory_mb=machine.memory_bytes() // 1_000_000, threads=sizes.threads, lanes=sizes.lanes, workers=sizes.workers,
        model=display(model.name), provider=provider, note=str(told.get("note", "")),
        is_prepared=bool(told.get("prepared")), sandbox=str(told.get("sandbox", "")), png=recipe.png.value,
        on_cpu=provider == RUNTIME_NAMES[CPU], is_shared=is_shared or _is_daemon_at_work(),
    )  # fmt: skip
    return ground, [Row.of(alone, together, cost, ground) for alone, (together, cost) in found]


def _go(
    track: Track, rounds: Rounds, folder: Path, report: Report, not_cut: list[tuple[str, str]], *, niceness: int
) -> list[Measured]:
    """Cut each photo once, which shows what can be cut and does not count, then alone, then together.

    Empty where none can be cut.
    """
    label = f"{rounds.pixels / 1e6:.3g} MP" if rounds.pixels else ""
    report(_("drawing {size}").format(size=label) if not rounds.photos else label, 0)
    photos = rounds.photos or (specimens.draw(rounds.pixels, folder, niceness=niceness),)
    usable = []
    for photo in photos:
        try:
            track.one(photo)
            usable.append(photo)
        except (PhotoRefused, PhotoCrashed) as error:
            not_cut.append((display(photo) if rounds.photos else label, str(error)))
            print(f"{not_cut[-1][0]}: {error}" + (f" {error.hint}" if error.hint else ""), file=sys.stderr)
        report(label, 1)
    if not usable:
        return []
    alone = []
    for photo in islice(cycle(usable), rounds.alone):
        alone.append(track.one(photo))
        report(label, 1)
    together = track.many(islice(cycle(usable), rounds.together), lambda: report(label, 1))
    if not rounds.photos:
        os.unlink(photos[0])
    return [(alone, together)]


def _needed_bytes(rounds: Sequence[Rounds], places: int) -> int:
    """Return how much space is needed at once: a picture, and as many cut-outs as may be in work or on their way."""
    per_pixel = _OWN_BYTES if any(one.photos for one in rounds) else _DRAWN_BYTES
    return int(max(one.pixels or _UNKNOWN_PIXELS for one in rounds) * per_pixel * (places + 2))


@contextmanager
def _private_folder(needed_bytes: int) -> Iterator[Path]:
    """Make a folder that nobody else may enter, and take it away with all that is in it. Raises BgzeroError."""
    scratch, folder = paths.scratch_dir(), None
    try:
        free = free_bytes(scratch)
        if free < needed_bytes:
            raise BgzeroError(
                _("{mb} MB are needed in {folder}, and {free} MB are free there.").format(
                    mb=round(needed_bytes / 1e6), folder=display(scratch), free=round(free / 1e6)
                ),
                hint=_("Make room, name another folder with TMPDIR, or choose smaller sizes."),
            )
        with uninterrupted():
            folder = Path(tempfile.mkdtemp(prefix=f"{paths.APP}-bench-", dir=scratch))
        yield folder
    except OSError as error:
        raise BgzeroError(
            _("{folder} cannot be used: {why}.").format(folder=display(scratch), why=error.strerror or error)
        ) from error
    finally:
        if folder:
            with uninterrupted():
                shutil.rmtree(folder, ignore_errors=True)


def _is_daemon_at_work() -> bool:
    """Say whether this account's daemon is cutting photos."""
    try:
        return bool(client.ask("status").get("running"))
    except BgzeroError:
        return False


@contextmanager
def _progress(count: int) -> Iterator[Report]:
    """Show a bar where somebody looks: what is cut, and how many photos are left."""
    if not sys.stderr.isatty():
        yield lambda _words, _more: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=count)
        yield lambda words, more: bar.update(task, description=words, advance=more)


def _told(ground: Ground, rows: Sequence[Row], not_cut: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Return it as what JSON takes."""
    failed = [{"photo": photo, "sentence": sentence} for photo, sentence in not_cut]
    return asdict(ground) | {"sizes": [row.told() for row in rows], "not_cut": failed}


def _check_place(file: Path) -> None:
    """Raise UsageError where a plot could not be written: better now than in two minutes."""
    if (
        file.is_dir()
        or not os.access(file.parent, os.W_OK | os.X_OK)
        or (file.exists() and not os.access(file, os.W_OK))
    ):
        raise UsageError(_("No file can be written at {file}.").format(file=display(file)))


def _draw_plot(file: Path, ground: Ground, rows: Sequence[Row]) -> None:
    drawn = plot.svg(
        [row.point for row in rows],
        title=_("Photos a minute: {setting}").format(setting=heading(ground)),
        about=f"{ground.processor}; {about(ground)}",
        measured=_("measured"),
        bound=_("bound: no waiting, nothing but the costly steps"),
    )
    try:
        file.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise BgzeroError(
            _("{file} cannot be written: {why}.").format(file=display(file), why=error.strerror)
        ) from error
