"""What photos of cameras take in a worker: seconds and memory of RAW, HEIC and deep TIFF beside a JPEG of that size.

Each is decoded, looked at, drawn and written as a worker does it, but for the network, in a process of its own. The
files are made here: a photo that travels in scikit-image's wheel, scaled up, with grain.
"""

import argparse
import importlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
U8 = NDArray[np.uint8]


def scene(width: int, height: int) -> U8:
    """A photo of that size."""
    import skimage.data
    from PIL import Image

    whole = Image.fromarray(skimage.data.astronaut()).resize((width, height))  # type: ignore[no-untyped-call]
    grain = np.random.default_rng(0).normal(0, 3, (height, width, 1)).astype(np.float32)
    return (np.asarray(whole) + grain).clip(0, 255).astype(np.uint8)


def _saved(form: str, **options: Any) -> Callable[[U8], bytes]:  # noqa: ANN401 - Pillow's
    def save(rgb: U8) -> bytes:
        from PIL import Image

        out = io.BytesIO()
        Image.fromarray(rgb).save(out, form, **options)
        return out.getvalue()

    return save


def _raw(rgb: U8) -> bytes:
    from tests.photo.dng import dng

    return dng(rgb)


def _heic(rgb: U8, *, is_deep: bool) -> bytes:
    pillow_heif = importlib.import_module("pillow_heif")
    height, width = rgb.shape[:2]
    pixels = rgb.astype(np.uint16) * 257 if is_deep else rgb
    out = io.BytesIO()
    pillow_heif.from_bytes("RGB;16" if is_deep else "RGB", (width, height), pixels.tobytes()).save(out, quality=80)
    return out.getvalue()


def _tiff(rgb: U8) -> bytes:
    pyvips = importlib.import_module("pyvips")
    image = pyvips.Image.new_from_array(rgb.astype(np.uint16) * 257, interpretation="rgb16")
    return bytes(image.tiffsave_buffer(compression="lzw"))


FILES: dict[str, Callable[[U8], bytes]] = {
    "JPEG": _saved("JPEG", quality=92),
    "RAW": _raw,
    "HEIC": lambda rgb: _heic(rgb, is_deep=False),
    "HEIC of 10 bits": lambda rgb: _heic(rgb, is_deep=True),
    "TIFF of 16 bits, LZW": _tiff,
}
DEPTHS = {"JPEG": ("8",), "RAW": ("8", "auto"), "HEIC": ("8",)}


def cut(path: str, depth: str) -> dict[str, float]:
    """Cut a file as a worker does, and tell what that took. In a process of its own."""
    from bgzero_daemon.core.recipe import Depth, Edges, Png
    from bgzero_daemon.core.specs import Fit, InputSpec
    from bgzero_daemon.photo.decode import decode
    from bgzero_daemon.photo.encode import encode
    from bgzero_daemon.photo.foreground import drawing
    from bgzero_daemon.photo.tensor import to_tensor
    from bgzero_daemon.worker.threads import Threads

    content = Path(path).read_bytes()
    before, began, used = _peak_bytes(), time.perf_counter(), time.process_time()
    photo = decode(content, max_pixels=1 << 40, depth=Depth(depth))
    decoded, decoding = time.perf_counter(), time.process_time()
    to_tensor(photo, InputSpec(320, 255.0, (0.5,) * 3, (1.0,) * 3))
    mask = np.tile(np.linspace(0, 1, 320, dtype=np.float32), (320, 1))
    drawn = drawing(photo, mask, Fit.STRETCH, edges=Edges.REFINE)
    hands = Threads(os.cpu_count() or 1)
    size = sum(map(len, encode(drawn, photo, exif=b"", tag={}, png=Png.BALANCED, hands=hands)))
    return {
        "decode_seconds": decoded - began, "decode_cpu_seconds": decoding - used,
        "seconds": time.perf_counter() - began, "bytes_out": size, "bytes_in": len(content),
        "peak_mb": (_peak_bytes() - before) / 1e6, "pixels": photo.width_px * photo.height_px, "bits": photo.depth,
    }  # fmt: skip


def _peak_bytes() -> int:
    # a process is born with its parent's peak in getrusage(2), not in this
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


def _measured(path: Path, depth: str) -> dict[str, float]:
    words = [sys.executable, __file__, "--cut", str(path), "--depth", depth]
    told: dict[str, float] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return told


def main() -> int:
    """Print a table of medians, or everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=24.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=FILES, action="append")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cut", help=argparse.SUPPRESS)
    parser.add_argument("--depth", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cut:
        print(json.dumps(cut(arguments.cut, arguments.depth)))
        return 0
    sys.path.insert(0, str(ROOT))
    width = round((arguments.megapixels * 1.5e6) ** 0.5 / 2) * 2
    rgb = scene(width, round(width / 3) * 2)
    everything: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        for kind in arguments.only or FILES:
            files[kind] = Path(folder, str(len(files)))
            files[kind].write_bytes(FILES[kind](rgb))
        cases = [(kind, depth) for kind in files for depth in DEPTHS.get(kind, ("8", "auto"))]
        for kind, depth in [case for _run in range(arguments.runs) for case in cases]:
            everything.append({"kind": kind, "depth": depth, **_measured(files[kind], depth)})
    if arguments.json:
        print(json.dumps(everything))
        return 0
    heads = ("photo", "bits", "MB", "decode s", "CPU s", "whole s", "peak MB", "bytes a pixel", "PNG MB")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for kind, depth in cases:
        rows = [row for row in everything if (row["kind"], row["depth"]) == (kind, depth)]
        middle = {key: statistics.median(row[key] for row in rows) for key in rows[0] if key not in ("kind", "depth")}
        print(
            f"| {kind} | {middle['bits']:.0f} | {middle['bytes_in'] / 1e6:.1f} | {middle['decode_seconds']:.2f}"
            f" | {middle['decode_cpu_seconds']:.2f} | {middle['seconds']:.2f} | {middle['peak_mb']:.0f}"
            f" | {1e6 * middle['peak_mb'] / middle['pixels']:.1f} | {middle['bytes_out'] / 1e6:.1f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
