"""Does this program do on an NVIDIA card what it promises? One command, no network, under ten minutes.

*Never run with a card*: no machine at hand had one. Up to the card it was run with the CPU standing in for it
(`--provider CPUExecutionProvider`).

It makes an environment from the wheels in `wheels/`, which `--download` tells how to gather beforehand, and then looks:
masks against the CPU's, photos through `bgzero run --once` inside the sandbox, the card's memory before and after,
memory that runs out at the start and in the middle, and speed by lanes. Ends with 0 where all promises are kept, 1
where one is broken, 2 where there is no card, 3 where it could not be looked at. Linux only.
"""

import argparse
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gpu_card
from gpu_report import Step, as_json, status, text

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
FLAVOURS = {CUDA: "onnxruntime-gpu[cuda,cudnn]", CPU: "onnxruntime"}
HERE = Path(__file__).resolve().parent
_LANES_END_SECONDS = 420.0
_INNER = "BENCHMARK_GPU_INNER"


def download(wheels: Path, flavour: str) -> str:
    """Return the commands that gather the wheels, for the same Python and kind of machine, in the checkout's folder."""
    folder = shlex.quote(str(wheels))
    return (
        f"python3 -m pip wheel --no-deps --wheel-dir {folder} {shlex.quote(str(HERE.parent))}\n"
        f"python3 -m pip download --only-binary :all: --dest {folder} {folder}/bgzero_daemon-*.whl scikit-image "
        f"{shlex.quote(flavour)}"
    )


def environment(wheels: Path, flavour: str, folder: Path) -> Path:
    """Make an environment from nothing but the wheels; return its Python. Raises CalledProcessError where it fails."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    quiet = ("--quiet", "--disable-pip-version-check")
    install: list[str | Path] = [python, "-m", "pip", "install", *quiet, "--no-index", "--find-links", wheels.resolve()]
    subprocess.run([*install, "bgzero-daemon", "scikit-image"], check=True)
    if flavour != "onnxruntime":  # both are the same module: the plain one goes first, then the other comes
        subprocess.run([python, "-m", "pip", "uninstall", *quiet, "--yes", "onnxruntime"], check=True)
        subprocess.run([*install, flavour], check=True)
    return python


def trial(arguments: argparse.Namespace) -> list[Step]:
    """Take all steps in the present Python. A step that cannot be taken is a broken one."""
    from gpu_masks import compare
    from gpu_trial import Trial

    began = time.monotonic()
    found = []
    with tempfile.TemporaryDirectory(prefix="bgzero-gpu-") as folder:
        one = Trial(arguments.provider, arguments.model, Path(folder))
        steps: dict[str, Callable[[], Step]] = {
            "masks": lambda: compare(arguments.provider, arguments.model),
            "batch": lambda: one.batch(arguments.photos),
            "memory given back": one.given_back,
            "out of memory at the start": lambda: one.out_of_memory(at_start=True),
            "out of memory in the middle": lambda: one.out_of_memory(at_start=False),
            "lanes": lambda: one.lanes(
                max(6, arguments.photos // 2), arguments.rounds, until_second=began + _LANES_END_SECONDS
            ),
        }
        for title, take in steps.items():
            print(f"{time.monotonic() - began:4.0f} s: {title}", file=sys.stderr)
            try:
                found.append(take())
            except Exception as error:  # noqa: BLE001 - whatever it is, the other steps are worth taking
                found.append(Step(title, (f"{type(error).__name__}: {error}",)))
    return found


def conditions(provider: str) -> dict[str, str]:
    """Say what it ran on."""
    from importlib.metadata import distributions

    names = ("bgzero-daemon", "onnxruntime", "numpy", "pillow")
    packages = {str(one.metadata["Name"]).lower(): one.version for one in distributions()}
    card = gpu_card.look()
    return {
        "card": f"{card.name}, driver {card.driver}, {card.total_mib} MiB" if card else "none",
        "provider": provider if provider != CPU else f"{CPU}, standing in for {CUDA}",
        "packages": ", ".join(f"{name} {packages[name]}" for name in sorted(packages) if name.startswith(names)),
        "machine": f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, default=HERE / "wheels", metavar="DIR", help="default: beside this file")
    parser.add_argument("--provider", choices=sorted(FLAVOURS), default=CUDA, help="the CPU stands in where asked")
    parser.add_argument("--model", default="u2netp", help="name, or path of a weight file")
    parser.add_argument("--photos", type=int, default=50, metavar="N", help="in the batch; half of them for each lane")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of the comparison of lanes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there too, as JSON")
    parser.add_argument("--download", action="store_true", help="print how to gather the wheels, and end")
    arguments = parser.parse_args()
    if not 3 <= arguments.photos <= 500 or arguments.rounds < 1:
        parser.error("--photos has to be 3 to 500, --rounds at least 1")
    return arguments


def main() -> int:
    """Run from the command line."""
    arguments = _arguments()
    flavour = FLAVOURS[arguments.provider]
    if arguments.download:
        print(download(arguments.wheels, flavour))
        return 0
    if arguments.provider == CUDA and gpu_card.look() is None:
        print("gpu: nvidia-smi shows no card here, so there is nothing to look at.", file=sys.stderr)
        return 2
    if _INNER in os.environ:
        del os.environ[_INNER]
        told, steps = conditions(arguments.provider), trial(arguments)
        print(text(told, steps))
        if arguments.json:
            arguments.json.write_text(as_json(told, steps) + "\n", encoding="utf-8")
        return status(steps)
    if not any(arguments.wheels.glob("bgzero_daemon-*.whl")):
        print(f"gpu: no wheels in {arguments.wheels}. With a network:\n{download(arguments.wheels, flavour)}")
        return 3
    with tempfile.TemporaryDirectory(prefix="bgzero-gpu-venv-") as folder:
        try:
            python = environment(arguments.wheels, flavour, Path(folder) / "venv")
        except subprocess.CalledProcessError as error:
            print(f"gpu: the environment could not be made: {error}", file=sys.stderr)
            return 3
        command = [str(python), str(Path(__file__).resolve()), *sys.argv[1:]]
        return subprocess.run(command, env=os.environ | {_INNER: "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
