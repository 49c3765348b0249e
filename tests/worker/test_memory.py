"""What a photo takes of a worker's memory, in a process of its own: a known figure for each pixel."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bgzero_daemon.service.sizes import BYTES_PER_PIXEL
from tests.photo.dng import dng
from tests.photo.handmade import deep_tiff

# Decoding and encoding as a worker does it, without a network: nothing else there grows with the photo.
SCRIPT = """
import sys
import numpy as np
from bgzero_daemon.core.recipe import Depth, Edges, Png
from bgzero_daemon.core.specs import Fit, InputSpec
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.encode import encode
from bgzero_daemon.photo.foreground import drawing
from bgzero_daemon.photo.tensor import to_tensor
from bgzero_daemon.worker.threads import Threads

held = [sys.stdin.buffer.read()]
photo = decode(held.pop(), max_pixels=1 << 40, depth=Depth.AUTO)
to_tensor(photo, InputSpec(320, 255.0, (0.5,) * 3, (1.0,) * 3))
mask = np.tile(np.linspace(0, 1, 320, dtype=np.float32), (320, 1))
size = 0
for piece in encode(
    drawing(photo, mask, Fit.STRETCH, edges=Edges.REFINE), photo, exif=b"", tag={}, png=Png.BALANCED, hands=Threads(2)
):
    size += len(piece)
status = open('/proc/self/status').read()  # a process is born with its parent's peak in getrusage(2), not in this
print(int(status.partition('VmHWM:')[2].split()[0]) * 1024, size)
"""


def peak_bytes(size: tuple[int, int], form: str, turn: int) -> int:
    """Return the most memory that such a photo took. It is a small one, repeated."""
    tile = np.random.default_rng(0).normal(128, 20, (100, 100, 3)).clip(0, 255).astype(np.uint8)
    whole = np.tile(tile, (size[1] // 100, size[0] // 100, 1))
    if form == "TIFF of 16 bits":
        return _peak_of(deep_tiff(whole.astype(np.uint16) * np.uint16(257), more={274: ("H", [turn])}))
    if form == "RAW in 16 bits":
        return _peak_of(dng(whole, turn=turn))
    out, exif = io.BytesIO(), Image.Exif()
    exif[274] = turn
    Image.fromarray(whole).save(out, form, exif=exif, **{"compress_level": 1} if form == "PNG" else {"quality": 80})
    return _peak_of(out.getvalue())


def _peak_of(content: bytes) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT], input=content, capture_output=True, check=True)
    return int(done.stdout.split()[0])


@pytest.mark.parametrize(
    ("form", "turn", "most"),
    [
        ("JPEG", 1, 6.0), ("JPEG", 6, 6.0), ("PNG", 1, 10.0), ("TIFF of 16 bits", 6, 17.0),
        ("RAW in 16 bits", 6, 19.0),
    ],
)  # fmt: skip
def test_memory_grows_by_a_known_figure_for_each_pixel(form: str, turn: int, most: float) -> None:
    """Over 20 megapixels, or 8: four bytes for the photo, its file, and of what Pillow decodes four more.

    Of 16 bits: eight for the photo and six for its file, which is gone before Pillow gets its copy of 8 bits. A RAW is
    in LibRaw's memory three times while it is developed: two bytes, eight, and six.
    """
    if "RAW" in form:
        pytest.importorskip("rawpy", reason="RAW: the extra [raw] is not installed")
    if "TIFF" in form:
        pytest.importorskip("pyvips", reason="NO PYVIPS ON THIS MACHINE")
    sizes = ((1000, 1000), (3000, 3000)) if "16" in form else ((2000, 2000), (6000, 4000))
    small, large = (peak_bytes(size, form, turn) for size in sizes)
    each = (large - small) / (sizes[1][0] * sizes[1][1] - sizes[0][0] * sizes[0][1])
    assert each < most < BYTES_PER_PIXEL


# What edges and colours take beside the photo: their grids, whose size is the same for any photo, and a strip.
EDGES = """
import sys
from pathlib import Path
import numpy as np
from bgzero_daemon.core.recipe import Edges
from bgzero_daemon.core.specs import Fit
from bgzero_daemon.photo.foreground import drawing
from bgzero_daemon.photo.picture import WORD, Photo

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024

chance = np.random.default_rng(0)
photo = Photo(np.tile(chance.integers(0, 1 << 24, (400, 600)).astype(WORD) | np.uint32(0xFF000000), (10, 10)))
down, across = np.mgrid[0:1024, 0:1024]
disc = ((400 - np.hypot(down - 512, across - 512)) / 8).clip(0, 1).astype(np.float32)
mask = {"disc": disc, "noise": chance.random((1024, 1024), np.float32)}[sys.argv[1]]
Path("/proc/self/clear_refs").write_text("5")  # from now on: the peak of what follows
before = peak()
drawn = drawing(photo, mask, Fit.STRETCH, edges=Edges.REFINE)
for top in range(0, 4000, 400):
    rows = slice(top, top + 87)
    drawn.draw(rows, drawn.columns(rows))
print(peak() - before)
"""


@pytest.mark.parametrize(("kind", "most"), [("disc", 70e6), ("noise", 130e6)])
def test_edges_take_the_same_memory_whatever_the_photo(kind: str, most: float) -> None:
    """Nothing of 24 megapixels is made at full size; where a mask is noise all nodes are solved, and no more."""
    done = subprocess.run([sys.executable, "-c", EDGES, kind], capture_output=True, check=True)
    assert int(done.stdout) < most
