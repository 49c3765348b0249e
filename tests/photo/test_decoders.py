"""Other people's decoders: each reads what is written, and the pixels are those that were given.

Those that are not on this machine are skipped, and say so; a browser takes a while and comes with `make panel`.
"""

import functools
import http.server
import io
import json
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgzero_daemon.core.recipe import Png
from bgzero_daemon.photo.picture import U8, U16, Photo

from .exif import exif_block, text
from .pictures import astronaut, encoded
from .profiles import matrix_profile

pytestmark = pytest.mark.parametrize("png", Png)


def written(folder: Path, png: Png) -> tuple[Path, U8]:
    """Write a cut-out with all there can be beside its pixels; return it, and the pixels."""
    rgba = np.zeros((600, 640, 4), np.uint8)
    rgba[100:500, 120:520, :3] = np.asarray(Image.fromarray(astronaut()).resize((400, 400)))
    rgba[100:500, 120:520, 3] = np.linspace(1, 255, 400).astype(np.uint8)
    photo = Photo.of(rgba[..., :3], icc=matrix_profile(), dpi=(300.0, 300.0))
    file = folder / "cutout.png"
    file.write_bytes(encoded(rgba, photo, exif=exif_block([text(271, "Canon")]), tag={"v": 1}, png=png, threads=2))
    return file, rgba


def written_deep(folder: Path, png: Png) -> tuple[Path, U16]:
    """Write the same with 16 bits a channel and every level in it."""
    rgba = np.zeros((600, 640, 4), np.uint16)
    rgba[100:500, 120:520, 3] = np.linspace(1, 65535, 400).astype(np.uint16)
    rgba[100:500, 120:520, :3] = np.random.default_rng(4).permutation(160_000).reshape(400, 400, 1) % 65536
    rgba[100:500, 120:520, 1] //= 3
    photo = Photo.of(rgba[..., :3], icc=matrix_profile(), dpi=(300.0, 300.0))
    file = folder / "cutout.png"
    file.write_bytes(encoded(rgba, photo, exif=exif_block([text(271, "Canon")]), tag={"v": 1}, png=png, threads=2))
    return file, rgba


def tool(name: str) -> str:
    """Return where a program is. Skips where there is none."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"NO {name.upper()} ON THIS MACHINE")
    return found


def test_pillow(tmp_path: Path, png: Png) -> None:
    file, rgba = written(tmp_path, png)
    with Image.open(file) as picture:
        assert (np.asarray(picture) == rgba).all()


def test_pngcheck(tmp_path: Path, png: Png) -> None:
    """It looks at every chunk, and at the stream as well."""
    file, _rgba = written(tmp_path, png)
    done = subprocess.run([tool("pngcheck"), "-v", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "No errors detected" in done.stdout
    for word in ("IHDR", "iCCP", "pHYs", "eXIf", "tEXt", "iTXt", "IDAT", "640 x 600"):
        assert word in done.stdout


def test_libvips(tmp_path: Path, png: Png) -> None:
    pyvips = pytest.importorskip("pyvips", reason="NO PYVIPS ON THIS MACHINE")
    file, rgba = written(tmp_path, png)
    picture = pyvips.Image.new_from_file(str(file), fail_on="warning")
    assert (picture.numpy() == rgba).all()


def imagemagick() -> str:
    """Return where ImageMagick is. Skips where it is not."""
    magick = tool("convert")
    said = subprocess.run([magick, "-version"], capture_output=True, text=True, check=False).stdout
    if not said.startswith("Version: ImageMagick"):
        pytest.skip("NO IMAGEMAGICK ON THIS MACHINE: its command is another program's")
    return magick


def test_16_bits_by_pngcheck(tmp_path: Path, png: Png) -> None:
    file, _rgba = written_deep(tmp_path, png)
    done = subprocess.run([tool("pngcheck"), "-v", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "640 x 600 image, 64-bit RGB+alpha" in done.stdout
    assert "No errors detected" in done.stdout


def test_16_bits_by_libvips(tmp_path: Path, png: Png) -> None:
    pyvips = pytest.importorskip("pyvips", reason="NO PYVIPS ON THIS MACHINE")
    file, rgba = written_deep(tmp_path, png)
    picture = pyvips.Image.new_from_file(str(file), fail_on="warning")
    assert (picture.numpy() == rgba).all()
    assert picture.get("icc-profile-data") == matrix_profile()


def test_16_bits_by_imagemagick(tmp_path: Path, png: Png) -> None:
    magick = imagemagick()
    file, rgba = written_deep(tmp_path, png)
    done = subprocess.run([magick, file, "-endian", "MSB", "-depth", "16", "rgba:-"], capture_output=True, check=True)
    assert not done.stderr
    assert (np.frombuffer(done.stdout, ">u2").reshape(rgba.shape) == rgba).all()


def test_imagemagick(tmp_path: Path, png: Png) -> None:
    magick = imagemagick()
    file, rgba = written(tmp_path, png)
    done = subprocess.run([magick, file, "-depth", "8", "rgba:-"], capture_output=True, check=True)
    assert not done.stderr
    assert (np.frombuffer(done.stdout, np.uint8).reshape(rgba.shape) == rgba).all()


PAGE = b"""<!doctype html><canvas></canvas><script>
const picture = new Image();
picture.onload = () => {
  const canvas = document.querySelector("canvas"), pen = canvas.getContext("2d");
  canvas.width = picture.width; canvas.height = picture.height;
  pen.drawImage(picture, 0, 0);
  const alpha = pen.getImageData(0, 0, picture.width, picture.height).data.filter((_, at) => at % 4 == 3);
  fetch("/found", {method: "POST", body: JSON.stringify([picture.width, picture.height, Array.from(alpha)])});
};
picture.onerror = () => fetch("/found", {method: "POST", body: "null"});
picture.src = "cutout.png";
</script>"""


class _Desk(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and takes one answer."""

    found: bytes | None = None
    answered = threading.Event()

    def do_POST(self) -> None:
        """Keep what the page has found."""
        _Desk.found = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        _Desk.answered.set()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.mark.panel
def test_chromium(tmp_path: Path, png: Png) -> None:
    """A page draws it and sends back size and opacity. (Colours go through the profile there, so they may differ.)"""
    browser = tool("chromium")
    file, rgba = written(tmp_path, png)
    (tmp_path / "index.html").write_bytes(PAGE)
    _Desk.answered.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Desk, directory=str(tmp_path))) as desk:
        threading.Thread(target=desk.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{desk.server_port}/index.html"
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        process = subprocess.Popen([browser, *options, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert _Desk.answered.wait(60)
        finally:
            process.kill()
            process.wait()
            desk.shutdown()
    width, height, alpha = json.load(io.BytesIO(_Desk.found or b"null"))
    assert (height, width) == rgba.shape[:2]
    assert (np.array(alpha, np.uint8).reshape(height, width) == rgba[..., 3]).all()
    assert file.exists()
