"""How far something is that takes its time: a bar where somebody looks, a line for each quarter where not."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bgzero_daemon.core.texts import _


@dataclass(frozen=True, slots=True)
class Progress:
    """Who wants to know. `on_bytes` gets bytes that are there, and all of them or None; `on_note` sentences."""

    on_bytes: Callable[[int, int | None], None]
    on_note: Callable[[str], None]


@contextmanager
def progress(name: str, size_bytes: int | None, have_bytes: int = 0) -> Iterator[Progress]:
    """Show it on standard error while the block lasts. `name` is shown, and printable."""
    if not sys.stderr.isatty():
        yield Progress(_in_quarters(name), lambda sentence: print(sentence, file=sys.stderr))
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=size_bytes, completed=have_bytes)
        yield Progress(
            lambda have, size: bar.update(task, completed=have, total=size),
            lambda sentence: bar.console.print(sentence, markup=False, highlight=False),
        )


def _in_quarters(name: str) -> Callable[[int, int | None], None]:
    said = 0

    def report(have: int, size: int | None) -> None:
        nonlocal said
        quarter = 4 * have // size if size else 0
        if quarter > said:
            said = quarter
            text = _("{name}: {percent} % of {mb} MB")
            print(
                text.format(name=name, percent=25 * quarter, mb=round((size or 0) / 1e6, 1)),
                file=sys.stderr,
            )

    return report
