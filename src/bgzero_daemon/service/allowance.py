"""How long a worker may take before it counts as hanging."""

from dataclasses import dataclass, field

from bgzero_daemon.catalog.runtime import may_compile
from bgzero_daemon.core.formats import has_raw_suffix

_LEAST_SECONDS = 30.0
_MARGIN = 10.0  # a busy or slow machine is no hang
_UNKNOWN_NETWORK_SECONDS = 10.0  # of a model that nobody measured
_SECONDS_PER_PIXEL = 0.1e-6  # decoding, composing and encoding, on one core
_DEVELOPING_PER_PIXEL = 0.4e-6  # a RAW photo, besides
_READ_BYTES_PER_SECOND = 1e6  # of a slow network share
_LOAD_BYTES_PER_SECOND = 5e6  # of weights, with graph optimisation, on a small machine
_PROOF_RUNS = 12  # of the network, on the CPU and elsewhere
_COMPILE_SECONDS = 900.0  # of a provider that makes a program for its device of the network; never measured here
_WEIGHT = 0.1  # of the latest photo in the moving average


@dataclass(slots=True)
class Allowance:
    """Deadlines in seconds, from the model's measured speed, from what is seen here, and from the photo.

    `card_seconds` is the card's measured time of one run of the network; None: never measured. `lanes`
    photos share the network, so each may wait for all others. `fixed` replaces what is reckoned for
    cutting, 0: nothing does. One is kept for each model, for as long as the pool lives.
    """

    card_seconds: float | None
    lanes: int
    fixed: float = 0.0
    _seen: float = field(default=0.0)

    def note(self, network_seconds: float) -> None:
        """Count how long the network really took for a photo."""
        self._seen += _WEIGHT * (network_seconds - self._seen) if self._seen else network_seconds

    def to_prove(self, provider: str) -> float:
        """Return the time that providers may take to prove themselves against the CPU: none where that is asked for.

        Those that compile may take longer; the others are not to hang for so long.
        """
        runs = 0 if provider == "cpu" else _PROOF_RUNS
        compiling = _COMPILE_SECONDS if may_compile(provider) else 0.0
        return compiling + runs * _MARGIN * (self.card_seconds or _UNKNOWN_NETWORK_SECONDS)

    def to_load(self, weights_bytes: int) -> float:
        """Return how long loading a model may take."""
        return 120.0 + weights_bytes / _LOAD_BYTES_PER_SECOND

    def to_begin(self) -> float:
        """Return how long a worker with free lanes may take to begin with a photo."""
        return _LEAST_SECONDS

    def to_read(self, size_bytes: int) -> float:
        """Return how long reading a file may take."""
        return _LEAST_SECONDS + size_bytes / _READ_BYTES_PER_SECOND

    def to_cut(self, pixels: int, name: str = "") -> float:
        """Return how long cutting may take from the moment a photo's bytes are there. Its name may say RAW."""
        each = _SECONDS_PER_PIXEL + (_DEVELOPING_PER_PIXEL if has_raw_suffix(name) else 0.0)
        network = max(self.card_seconds or _UNKNOWN_NETWORK_SECONDS, self._seen)
        expected = self.lanes * (network + pixels * each)
        return self.fixed or max(_LEAST_SECONDS, _MARGIN * expected)
