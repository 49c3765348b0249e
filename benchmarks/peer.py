"""rembg, the peer: installed by name into an environment of its own, and never let near the network."""

import importlib.metadata
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import BenchmarkError

VERSION = "2.0.86"
PACKAGES = ("onnxruntime", "pillow", "numpy")
"""What both contestants do the same work with, so their versions are worth telling."""

_NOWHERE = "http://127.0.0.1:9"  # the discard port: a download fails at once instead of happening
_ASK = "import importlib.metadata as m, json, sys; print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))"


@dataclass(frozen=True, slots=True)
class Peer:
    """An installed rembg and the versions in its environment."""

    command: Path
    versions: dict[str, str]


def our_versions() -> dict[str, str]:
    """Return the versions in this interpreter's environment, where bgzero is installed."""
    return {name: importlib.metadata.version(name) for name in ("bgzero-daemon", *PACKAGES)}


def cache_folder() -> Path:
    """Return where environments of peers are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bgzero-benchmarks"


def rembg() -> Peer:
    """Find rembg in the cache, or install it there with the very onnxruntime that bgzero uses.

    Raises BenchmarkError where it cannot be installed.
    """
    place = cache_folder() / f"rembg-{VERSION}"
    wanted = {"rembg": VERSION, "onnxruntime": importlib.metadata.version("onnxruntime")}
    versions = _versions(place)
    if not wanted.items() <= versions.items():
        print(f"Installing rembg {VERSION} into {place} (once).", file=sys.stderr)
        place.parent.mkdir(parents=True, exist_ok=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _do([sys.executable, "-m", "venv", "--clear", str(place)])
        _do([*pip, f"rembg[cpu,cli]=={VERSION}", f"onnxruntime=={wanted['onnxruntime']}"])
        versions = _versions(place)
        if not wanted.items() <= versions.items():
            raise BenchmarkError(f"{place} holds {versions}, not {wanted}.")
    return Peer(place / "bin" / "rembg", versions)


def _versions(place: Path) -> dict[str, str]:
    """Return the versions of the packages that matter; none where the environment is missing or half-made."""
    python = place / "bin" / "python"
    if not (place / "bin" / "rembg").is_file() or not python.exists():
        return {}
    asked = subprocess.run(
        [python, "-c", _ASK, "rembg", "pymatting", *PACKAGES], capture_output=True, text=True, check=False
    )
    return dict(json.loads(asked.stdout)) if asked.returncode == 0 else {}


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)}\nfailed: {(done.stderr or done.stdout).strip()[-1000:]}")


def environment(weights_folder: Path) -> dict[str, str]:
    """Return what rembg's environment needs beyond the usual one.

    rembg takes any `$U2NET_HOME/<model>.onnx` that exists as it is: it compares its MD5 only after a
    download (rembg/sessions/base.py, `resolve_existing`).
    """
    proxies = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    return {
        "U2NET_HOME": str(weights_folder),
        "ORT_DISABLE_TELEMETRY": "1",
        **dict.fromkeys(proxies, _NOWHERE),
        "NO_PROXY": "",
        "no_proxy": "",
    }
