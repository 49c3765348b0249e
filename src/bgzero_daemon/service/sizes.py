"""How many workers and lanes there are, and how much memory they may use."""

from collections.abc import Iterable
from dataclasses import dataclass

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import machine
from bgzero_daemon.settings.schema import Config

_SHARE = 0.75  # of the machine's memory, for all workers together
_UNKNOWN_PEAK_MB = 1000  # of a model that nobody measured
BYTES_PER_PIXEL = 20  # of a photo in work, as measured: benchmarks/README.md


@dataclass(frozen=True, slots=True)
class Sizes:
    """Worker processes, network threads and photos in work of each, and the memory of each in bytes.

    `is_asked` says that somebody set the memory; otherwise it is chosen from the machine.
    """

    workers: int
    threads: int
    lanes: int
    memory_bytes: int
    is_asked: bool = False

    @classmethod
    def of(cls, config: Config) -> "Sizes":
        """Take the configured sizes, or choose them from what this process may use."""
        wanted = config.worker
        workers = wanted.workers or 1
        cores = max(1, machine.cores() // workers)
        memory = int(wanted.memory_limit * 1e9) or int(machine.memory_bytes() * _SHARE / workers)
        lanes = wanted.lanes or min(4, max(2, cores))
        return cls(workers, wanted.threads or cores, lanes, memory, is_asked=bool(wanted.memory_limit))

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

    def pixels(self, models: Iterable[Model], megapixels: float) -> int:
        """Return how many pixels may be in work at once: what is configured, or what the memory allows beside a model.

        A photo that is larger than that is cut alone.
        """
        base = max(((model.card.peak_mb or _UNKNOWN_PEAK_MB) for model in models), default=_UNKNOWN_PEAK_MB)
        room = self.workers * max(0, self.memory_bytes - base * 1_000_000)
        return min(int(megapixels * 1e6), room // BYTES_PER_PIXEL)
