"""Who takes part in a comparison: programs that cut a folder of photos into another, each with the same weights.

All of them run at the niceness that bgzero's worker takes by itself (worker.nice), so that a machine that is not quiet
holds up each of them alike.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import imgly
import peer
import weights
from bgzero_daemon.settings.schema import Worker
from harness import Usage, measure, nicely

_DROPPED = ("OMP_NUM_THREADS", "STATE_DIRECTORY", "PYTHONPATH")  # they would change what some of them do
_SESSIONS = {"u2netp": "u2netp", "isnet": "isnet-general-use"}  # what rembg calls a network of this shape


class Contestant(Protocol):
    """A program that cuts every photo of a folder once. `describe` says which, and with which libraries."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def describe(self) -> str:
        """Say in one line what it is."""

    def run(self, inbox: Path, outbox: Path, place: Path) -> Usage:
        """Cut `inbox` into `outbox`. `place` is a fresh folder for what it leaves. Raises BenchmarkError."""


def _environment(cache: Path) -> dict[str, str]:
    """Return this process's environment without what configures any of them; caches stay warm between runs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED and not name.startswith(("BGZERO_", "REMBG_"))
    }
    return kept | {"XDG_CACHE_HOME": str(cache), "ORT_DISABLE_TELEMETRY": "1"}


def _nicely(command: Sequence[str | Path]) -> list[str | Path]:
    return nicely(command, Worker().nice)


class Bgzero:
    """The installed program, `run --once`. `settings` are configuration keys as the environment names them."""

    def __init__(
        self, model: str, cache: Path, *, is_prepared: bool = False, settings: Mapping[str, str] | None = None,
        name: str = "bgzero",
    ) -> None:  # fmt: skip
        self.name, self._model, self._settings = name, weights.MODELS[model], dict(settings or {})
        self._cache = Path(weights.homes()["XDG_CACHE_HOME"]) if is_prepared else cache
        self._graph = "prepared graph" if is_prepared else "published weights"

    def describe(self) -> str:
        """Say in one line what it is."""
        versions = peer.our_versions()
        packages = ", ".join(f"{name} {versions[name]}" for name in peer.PACKAGES)
        keys = "".join(f", {name}={value}" for name, value in self._settings.items())
        return f"bgzero {versions['bgzero-daemon']} run --once, {self._model}, {self._graph}{keys}: {packages}"

    def run(self, inbox: Path, outbox: Path, place: Path) -> Usage:
        """Cut a folder, in an account that has nothing but the weights."""
        homes = {"XDG_DATA_HOME": weights.homes()["XDG_DATA_HOME"]}
        homes |= {f"XDG_{kind}_HOME": str(place / kind.lower()) for kind in ("CONFIG", "STATE")}
        command: list[str | Path] = [weights.BGZERO, "run", "--once", "--accept-licence", "--model", self._model]
        command += ["--inbox", inbox, "--outbox", outbox]
        return measure(_nicely(command), _environment(self._cache) | homes | self._settings, place / "log.txt")


class Rembg:
    """`rembg p`, installed by pip. `flags` are added to its command line."""

    def __init__(self, model: str, cache: Path, *, flags: Sequence[str] = (), name: str = "rembg") -> None:
        self._rembg, self._session, self._cache = peer.rembg(), _SESSIONS[model], cache
        self.name, self._flags = name, list(flags)
        self._weights = cache / "rembg-weights"
        self._weights.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights.graph_of(model), self._weights / f"{self._session}.onnx")

    def describe(self) -> str:
        """Say in one line what it is."""
        packages = ", ".join(f"{name} {self._rembg.versions[name]}" for name in ("pymatting", *peer.PACKAGES))
        words = " ".join(["p", *self._flags, "-m", self._session])
        return f"rembg {self._rembg.versions['rembg']} {words}, published weights: {packages}"

    def run(self, inbox: Path, outbox: Path, place: Path) -> Usage:
        """Cut a folder."""
        command: list[str | Path] = [self._rembg.command, "p", *self._flags, "-m", self._session, inbox, outbox]
        environment = _environment(self._cache) | peer.environment(self._weights)
        return measure(_nicely(command), environment, place / "log.txt")


class ImglyNode:
    """@imgly/background-removal-node, installed by npm; a loop around its one function."""

    name = "imgly"

    def __init__(self, cache: Path) -> None:
        self._imgly, self._cache = imgly.imgly(), cache

    def describe(self) -> str:
        """Say in one line what it is."""
        packages = ", ".join(f"{name} {version}" for name, version in self._imgly.versions.items())
        return f"@imgly/background-removal-node, default settings (model medium): {packages}"

    def run(self, inbox: Path, outbox: Path, place: Path) -> Usage:
        """Cut a folder."""
        return measure(_nicely(self._imgly.command(inbox, outbox)), _environment(self._cache), place / "log.txt")
