"""What `bgzero bench` found out, as a table for people, as JSON, and as points of a plot."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bgzero_daemon.cli.gauge import Cost
from bgzero_daemon.cli.plot import Point
from bgzero_daemon.cli.speedrun import SERVICE_STEPS, Alone, Passage
from bgzero_daemon.core.columns import columns, wrapped
from bgzero_daemon.core.texts import _, n_

_LEAST_SECONDS = 1e-6  # so that nothing is divided by zero


@dataclass(frozen=True, slots=True)
class Ground:
    """What was measured on, and with what. `cores` may be used; `load` is how many others kept busy at the start.

    `on_cpu`: the network ran on the processor. `is_shared`: a daemon was cutting photos meanwhile.
    """

    version: str
    processor: str
    cores: int
    load: float
    memory_mb: int
    threads: int
    lanes: int
    workers: int
    model: str
    provider: str
    note: str
    is_prepared: bool
    sandbox: str
    png: str
    on_cpu: bool
    is_shared: bool


@dataclass(frozen=True, slots=True)
class Row:
    """Photos of about one size: each alone, then all together."""

    passages: Sequence[Passage]
    alone_count: int
    alone: Alone
    cost: Cost
    bound_seconds: float

    @classmethod
    def of(cls, alone: Sequence[Passage], together: Sequence[Passage], cost: Cost, ground: Ground) -> "Row":
        """Sum up what was measured."""
        medians = Alone.of(alone)
        return cls(together, len(alone), medians, cost, medians.bound_seconds(ground.cores, on_cpu=ground.on_cpu))

    @property
    def megapixels(self) -> float:
        """Their mean."""
        return sum(one.pixels for one in self.passages) / len(self.passages) / 1e6

    @property
    def seconds(self) -> float:
        """Wall time of one of many."""
        return self.cost.seconds / len(self.passages)

    @property
    def share(self) -> float:
        """How much of the bound is reached."""
        return self.bound_seconds / self.seconds

    @property
    def point(self) -> Point:
        """Return it as the plot wants it."""
        bound = 60 / max(_LEAST_SECONDS, self.bound_seconds)
        return Point(float(_size(self.megapixels)), 60 / self.seconds, bound)

    def told(self) -> dict[str, object]:
        """Return it as what JSON takes: sizes in bytes, times in seconds."""
        count = len(self.passages)
        return {
            "megapixels": round(self.megapixels, 3),
            "photos": {"alone": self.alone_count, "together": count},
            "source_bytes": round(sum(one.source_bytes for one in self.passages) / count),
            "output_bytes": round(sum(one.output_bytes for one in self.passages) / count),
            "alone": {
                "seconds": round(self.alone.seconds, 4),
                "wall_seconds": _rounded(self.alone.wall),
                "cpu_seconds": _rounded(self.alone.cpu),
            },
            "together": {
                "photos_per_minute": round(60 / self.seconds, 2),
                "seconds": round(self.seconds, 4),
                "worker_cpu_seconds": round(self.cost.worker_cpu_seconds / count, 4),
                "service_cpu_seconds": round(self.cost.service_cpu_seconds / count, 4),
                "worker_memory_mb": round(self.cost.worker_bytes / 1e6),
                "memory_mb": round(self.cost.memory_bytes / 1e6),
            },
            "bound_seconds": round(self.bound_seconds, 4),
            "share_of_bound": round(self.share, 4),
        }


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {step: round(value, 5) for step, value in seconds.items()}


def _size(megapixels: float) -> str:
    return f"{megapixels:.2g}" if megapixels < 9.95 else f"{megapixels:.0f}"


def lines(ground: Ground, rows: Sequence[Row]) -> list[str]:
    """Return all of it as lines for a terminal."""
    width = min(100, max(60, shutil.get_terminal_size().columns))
    return [
        *wrapped(f"{heading(ground)} ({ground.processor})", width),
        *wrapped(about(ground), width),
        "",
        *wrapped(_("One photo at a time, in seconds (medians):"), width),
        *_table([
            (_("size"), _("decode"), _("tensor"), _("network"), _("edges"), _("encode"), _("publish"), _("all of it")),
            *(_alone(row) for row in rows),
        ]),
        "",
        *wrapped(_("As many at once as there are lanes ({lanes}):").format(lanes=ground.lanes), width),
        *_table([
            (_("size"), _("photos a minute"), _("CPU seconds a photo"), _("of the bound"), _("memory")),
            *(_together(row) for row in rows),
        ]),
        "",
        *(line for sentence in _remarks(ground) for line in wrapped(sentence, width)),
    ]  # fmt: skip


def heading(ground: Ground) -> str:
    """Return model and cores in a few words."""
    cores = n_("{count} core", "{count} cores", ground.cores)
    return _("{model} on {cores}").format(model=ground.model, cores=cores)


def about(ground: Ground) -> str:
    """Return how it was set up."""
    graph = _("a prepared graph") if ground.is_prepared else _("the published weights")
    return _("{graph} on {provider}, {lanes} lanes, output.png = {png}").format(
        graph=graph, provider=ground.provider, lanes=ground.lanes, png=ground.png
    )


def _alone(row: Row) -> tuple[str, ...]:
    wall = row.alone.wall
    last = sum(wall[step] for step in SERVICE_STEPS)
    times = (wall["decode"], wall["tensor"], wall["network"], wall["edges"], wall["encode"], last, row.alone.seconds)
    return (f"{_size(row.megapixels)} MP", *(f"{seconds:.3f}" for seconds in times))


def _together(row: Row) -> tuple[str, ...]:
    count, cost = len(row.passages), row.cost
    return (
        f"{_size(row.megapixels)} MP",
        f"{60 / row.seconds:.1f}",
        f"{cost.worker_cpu_seconds / count:.3f} + {cost.service_cpu_seconds / count:.3f}",
        f"{row.share:.0%}",
        f"{cost.worker_bytes / 1e6:.0f} + {(cost.memory_bytes - cost.worker_bytes) / 1e6:.0f} MB",
    )


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(columns(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(" " * (width - columns(cell)) + cell for cell, width in zip(row, widths, strict=True))
            for row in rows]  # fmt: skip


def _remarks(ground: Ground) -> list[str]:
    bound = (
        _("The bound: the processor time that decoding, the network and compressing take, spread evenly over all"
          " cores; whatever else is done, and every wait, is what is missing from 100 %.")
        if ground.on_cpu
        else _("The bound: the network's time on its device, or the processor time that decoding and compressing take,"
               " spread evenly over all cores, whichever is more; every other work, and every wait, is what is missing"
               " from 100 %.")
    )  # fmt: skip
    told = [
        _("To publish is to hash the photo, to read the cut-out back, to flush it and to name it. Two figures with a"
          " plus: the worker's, and the service's."),
        bound,
    ]  # fmt: skip
    if ground.note:
        told.append(ground.note)
    if ground.sandbox not in ("closed", ""):
        told.append(_("Sandbox: {what}.").format(what=ground.sandbox))
    if ground.is_shared:
        told.append(_("A daemon was cutting photos meanwhile: without it the figures are better."))
    elif ground.load >= 0.5:
        told.append(
            _("Other programs kept {load} cores busy when this began: on a quiet machine the figures are better.")
            .format(load=f"{ground.load:.1f}")
        )  # fmt: skip
    return told
