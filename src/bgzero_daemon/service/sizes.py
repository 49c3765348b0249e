"""How many workers and lanes there are, and how much memory they may use."""

from dataclasses import dataclass

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.job import Task
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import machine
from bgzero_daemon.settings.schema import Config

_SHARE = 0.75  # of the machine's memory, for all workers together
_UNKNOWN_PEAK_MB = 1000  # of a model that nobody measured
_UNKNOWN_PIXELS = 24_000_000  # of a photo whose container does not say, or exaggerates
_LEAST_PIXELS = 2_500_000  # that a photo counts as: the grids of its edges take 50 MB, however small it is
_FILLED = 0.8  # of a worker's memory, as far as photos' sizes can be foreseen
_ROOM_TO_SHARE = 2_000_000_000  # of bytes beside the model, for runs of the network beside each other
BYTES_PER_PIXEL = 20  # of a photo in work, as measured: benchmarks/README.md


@dataclass(frozen=True, slots=True)
class Sizes:
    """Worker processes; of each: network threads, photos in work and their pixels, and memory in bytes.

    `runs` of a small network go beside each other where memory is plenty.

    `photo_pixels` is the largest photo that is cut. `is_asked` says that somebody set the memory; otherwise it is
    chosen from the machine.
    """

    workers: int
    threads: int
    lanes: int
    runs: int
    memory_bytes: int
    pixels: int = 1 << 62
    photo_pixels: int = 1 << 62
    is_asked: bool = False

    @classmethod
    def of(cls, config: Config) -> "Sizes":
        """Take the configured sizes, or choose them from what this process may use."""
        wanted = config.worker
        workers = wanted.workers or 1
        cores = max(1, machine.cores() // workers)
        memory = int(wanted.memory_limit * 1e9) or int(machine.memory_bytes() * _SHARE / workers)
        lanes = wanted.lanes or min(4, max(2, cores))
        threads = wanted.threads or cores
        return cls(
            workers, threads, lanes, min(lanes, threads), memory,
            pixels=int(wanted.megapixels_in_work * 1e6 / workers),
            photo_pixels=int(config.limits.megapixels * 1e6), is_asked=bool(wanted.memory_limit),
        )  # fmt: skip

    def check(self, model: Model) -> str:
        """Return "" where a model fits, or a sentence where it hardly does. Raises ModelError where it cannot."""
        needs = (model.card.peak_mb or 0) * 1_000_000
        sentence = _("The model {name} needs about {needs} MB of memory, and a worker may use {limit} MB.").format(
            name=model.name, needs=model.card.peak_mb, limit=self.memory_bytes // 1_000_000
        )
        if needs > self.memory_bytes and self.is_asked:
            raise ModelError(sentence, hint=_("Raise worker.memory_limit, or choose a smaller model."))
        if needs > self.memory_bytes:
            return sentence
        if needs > (free := machine.free_bytes()):
            return _("The model {name} needs about {needs} MB of memory, and {free} MB are free.").format(
                name=model.name, needs=model.card.peak_mb, free=free // 1_000_000
            )
        return ""

    def expected_bytes(self, model: Model) -> int:
        """Return the memory that a worker with this model needs beside photos, as its card says, or a guess."""
        return (model.card.peak_mb or _UNKNOWN_PEAK_MB) * 1_000_000

    def runs_of(self, model: Model) -> int:
        """Return how many runs of a model's network may go beside each other: one, unless memory is plenty."""
        room = int(self.memory_bytes * _FILLED) - self.expected_bytes(model)
        return self.runs if room >= _ROOM_TO_SHARE else 1

    def pixels_beside(self, base_bytes: int) -> int:
        """Return how many pixels may be in work in one worker: as configured, or what memory allows beside a model.

        A photo that is larger than that is cut alone.
        """
        room = int(self.memory_bytes * _FILLED) - base_bytes
        return min(self.pixels, max(0, room) // BYTES_PER_PIXEL)

    def likely_pixels(self, task: Task) -> int:
        """Return how large a photo most likely is, or counts as where it is small.

        A header that is beyond the limit is refused, not decoded.
        """
        return max(_LEAST_PIXELS, task.pixels if 0 < task.pixels <= self.photo_pixels else _UNKNOWN_PIXELS)

    def most_pixels(self, task: Task) -> int:
        """Return how large a photo may be: headers say anything, and beyond the limit it is refused anyway."""
        return min(task.pixels or self.photo_pixels, self.photo_pixels)
