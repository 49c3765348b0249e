"""The icon as pictures: for panels, for the macOS menu bar, and for files.

Pillow alone, and a megabyte or so of what was drawn is kept: the tray has to be small.
`python -m bgzero_daemon.tray.icons FOLDER` writes the files that packages install (`make icons`).
"""

import math
import os
import sys
from functools import lru_cache

from PIL import Image, ImageDraw

from bgzero_daemon.tray.design import Ink, Layer, State, layers
from bgzero_daemon.tray.outline import Outline, Shape, number

__all__ = ["SIZES", "STEPS", "State", "argb", "draw", "svg", "symbolic", "template", "write"]

SIZES = (16, 22, 24, 32, 44, 48, 64)  # px; what panels ask for
FILE_SIZES = (16, 22, 24, 32, 48, 64, 128, 256)  # px; folders of the hicolor theme
NAME = "io.github.bgzero.Daemon"
STEPS = 16  # of progress: more cannot be told apart at 16 px, and each is another picture
_CANVAS_PX = 1024  # at most, for the enlarged drawing: 4 MB


def draw(state: State, size: int, progress: float = 0.0) -> Image.Image:
    """The icon in colour, RGBA, for light and dark panels.

    `progress` (0 to 1, beyond is cut off) matters at work only. The same picture comes back while nothing has changed:
    whoever wants to paint in it copies it.
    """
    return _picture(state, size, _step(state, progress), is_template=False)


def argb(state: State, size: int, progress: float = 0.0) -> bytes:
    """The same as StatusNotifierItem has it: ARGB32 in network byte order, row after row."""
    return _argb(state, size, _step(state, progress))


def template(state: State, size: int, progress: float = 0.0) -> Image.Image:
    """The same for macOS, which colours it as it wants: black and alpha, RGBA, told apart by shape alone."""
    return _picture(state, size, _step(state, progress), is_template=True)


def svg(state: State, progress: float = 0.0, size: int = 64) -> str:
    """The same in colour as SVG text, laid out for `size` px."""
    return _document(_layers(state, size, _step(state, progress)), size)


def symbolic() -> str:
    """A symbolic icon as SVG text, laid out for 16 px: filled paths of one colour, in whose place GTK puts its own."""
    return _document(_plain(_layers(State.WATCHING, 16, 0)), 16)


def _step(state: State, progress: float) -> int:
    """Progress in sixteenths; whole only at the end. What is no number is nothing done."""
    return int(min(progress, 1.0) * STEPS) if state is State.WORKING and progress > 0 else 0


def _layers(state: State, size: int, step: int) -> list[Layer]:
    return layers(state, size, step / STEPS)


def _plain(drawn: list[Layer]) -> list[Layer]:
    """Without colours: marks on badges are holes."""
    return [Layer(one.shape, None if one.ink in {Ink.MARK, None} else Ink.BLACK, one.opacity) for one in drawn]


@lru_cache(maxsize=2 * len(SIZES) * (len(State) + STEPS))
def _picture(state: State, size: int, step: int, *, is_template: bool) -> Image.Image:
    drawn = _layers(state, size, step)
    return _paint(_plain(drawn) if is_template else drawn, size)


@lru_cache(maxsize=2 * len(SIZES) * (len(State) + STEPS))
def _argb(state: State, size: int, step: int) -> bytes:
    red, green, blue, alpha = _picture(state, size, step, is_template=False).split()
    return Image.merge("RGBA", (alpha, red, green, blue)).tobytes()


def _paint(drawn: list[Layer], size: int) -> Image.Image:
    """Draw enlarged, and bring it down: Pillow draws no half-covered pixels by itself."""
    scale = max(1, min(8, _CANVAS_PX // size))
    canvas = Image.new("RGBA", (size * scale, size * scale))
    pen = ImageDraw.Draw(canvas)
    for layer in drawn:
        colour = (0, 0, 0, 0) if layer.ink is None else (*layer.ink.value, round(255 * layer.opacity))
        if len(layer.shape) == 1:
            pen.polygon(_corners(layer.shape[0], scale), fill=colour)
        else:
            canvas.paste(colour, mask=_stencil(layer.shape, scale, canvas.size))
    return canvas.reduce(scale)


def _stencil(shape: Shape, scale: int, size: tuple[int, int]) -> Image.Image:
    mask = Image.new("1", size)
    pen = ImageDraw.Draw(mask)
    for n, outline in enumerate(shape):
        pen.polygon(_corners(outline, scale), fill=int(n == 0))
    return mask


def _corners(outline: Outline, scale: int) -> list[tuple[int, int]]:
    """Its points in pixels of the canvas.

    Pillow fills the pixels that a polygon's points name as well: a box from 0 to 8 is 9 wide, and whole pixels of the
    icon would get a faint edge. So points go to the outermost pixels inside; where inside is, the way around says.
    """
    points = outline.points()
    corners: list[tuple[int, int]] = []
    for n, (x, y) in enumerate(points):
        before, after = points[n - 1], points[(n + 1) % len(points)]
        is_left, is_top = after[1] < before[1], after[0] > before[0]
        corners.append((_inside(x * scale, is_first=is_left), _inside(y * scale, is_first=is_top)))
    return corners


def _inside(edge: float, *, is_first: bool) -> int:
    """The first pixel whose middle is beyond an edge, or the last one before it."""
    exact = round(edge, 3)
    return math.floor(exact + 0.5) if is_first else math.ceil(exact - 0.5) - 1


def write(folder: str) -> None:
    """Write what packages install: `folder`/hicolor, as it goes into share/icons."""
    for size in FILE_SIZES:
        draw(State.WATCHING, size).save(_place(folder, f"{size}x{size}", f"{NAME}.png"), optimize=True)
    for kind, name, text in (
        ("scalable", f"{NAME}.svg", svg(State.WATCHING)),
        ("symbolic", f"{NAME}-symbolic.svg", symbolic()),
    ):
        with open(_place(folder, kind, name), "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def _place(folder: str, kind: str, name: str) -> str:
    place = os.path.join(folder, "hicolor", kind, "apps")
    os.makedirs(place, exist_ok=True)
    return os.path.join(place, name)


def _document(drawn: list[Layer], size: int) -> str:
    body: list[str] = []
    masks = 0
    for layer in drawn:
        d = "".join(outline.d() for outline in layer.shape)
        if layer.ink is None:
            masks += 1
            mask = f'<mask id="hole{masks}" maskUnits="userSpaceOnUse" x="0" y="0" width="{size}" height="{size}">'
            rest = f'<path fill="#fff" d="M0 0H{size}V{size}H0Z"/><path fill="#000" d="{d}"/></mask>'
            body = [mask + rest, f'<g mask="url(#hole{masks})">', *body, "</g>"]
            continue
        rule = ' fill-rule="evenodd"' if len(layer.shape) > 1 else ""
        faint = f' fill-opacity="{number(layer.opacity)}"' if layer.opacity < 1 else ""
        body.append(f'<path fill="#{bytes(layer.ink.value).hex()}"{faint}{rule} d="{d}"/>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 {size} {size}">'
    return "\n".join([head, *body, "</svg>", ""])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bgzero_daemon.tray.icons FOLDER")
    write(sys.argv[1])
