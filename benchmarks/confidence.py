"""What is thought of photos, and how often that is wrong: looks fine, wants a look, no subject, with reasons.

    python benchmarks/confidence.py FOLDER [FOLDER ...] [--model NAME ...] [--other NAME] [--mirror] [--blanks]

A line for each photo that does not look fine, and a table with the numbers of each folder, which are small: read them
as "so many of so many". Where a folder has NAME.alpha.png beside NAME.jpg, what the mask has in common with it (IoU
above 0.5) tells which doubts were right: a mask below 0.9 is wrong here. `--other` asks a second model, `--mirror` the
same one about the mirrored photo; `--blanks` draws pictures without a subject, which are easy ones. No parameter of the
program comes from the composites.
"""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bgzero_daemon.catalog import choice
from bgzero_daemon.core.confidence import Confidence, words_of
from bgzero_daemon.engine.session import Engine
from bgzero_daemon.photo.confidence import Judgement, agreement, judge
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.matte import F32, to_mask
from bgzero_daemon.photo.tensor import to_tensor

WRONG = 0.9
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_SIZE = 640, 480


@dataclass(frozen=True, slots=True)
class Row:
    """What came out of one picture. `truth` is the mask's agreement with the true alpha, None where none is known."""

    name: str
    judgement: Judgement
    truth: float | None = None


class Network:
    """An installed model, asked about one picture after another."""

    def __init__(self, name: str) -> None:
        model = choice.usable(name)
        assert model.weights
        self.name, self._card = model.name, model.card
        self._engine = Engine(model.weights.read_bytes(), model.card, asked="cpu", threads=0)

    def mask(self, content: bytes, *, mirrored: bool = False) -> F32:
        """Return the mask of a picture, or that of the mirrored picture, turned back."""
        tensor = to_tensor(decode(content, max_pixels=10**9), self._card.input.spec())
        if mirrored:
            tensor = np.ascontiguousarray(tensor[..., ::-1])
        mask = to_mask(self._engine.run(tensor), self._card.output.spec())
        return np.ascontiguousarray(mask[:, ::-1]) if mirrored else mask

    def judged(self, mask: F32, mirrored: float | None, other: float | None) -> Judgement:
        """Judge one of its masks, as the worker does."""
        return judge(mask, mirrored=mirrored, other=other, edge=self._card.output.edge)


def resized(mask: F32, side_px: int) -> F32:
    """Return a mask as a square of this side."""
    picture = Image.fromarray(mask).resize((side_px, side_px), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(picture, np.float32), 0.0, 1.0)


def blanks() -> Iterator[tuple[str, bytes]]:
    """Draw pictures in which nothing is."""
    random = np.random.default_rng(7)
    wide, high = _SIZE
    down, across = np.mgrid[:high, :wide].astype(np.float32)
    for name, grey in (("black", 0), ("grey", 128), ("white", 255)):
        yield name, _png(np.full((high, wide), grey, np.float32))
    yield "slope", _png(across / wide * 255)
    yield "sky", _png(np.stack([90 + down / 4, 140 + down / 5, 220 - down / 12], 2))
    yield "grain", _png(128 + 40 * random.standard_normal((high, wide, 3)))
    yield "stripes", _png(128 + 100 * np.sign(np.sin(across / 9)))
    yield "checks", _png(128 + 100 * np.sign(np.sin(across / 15) * np.sin(down / 15)))
    for octave in (4, 16, 64):
        coarse = Image.fromarray(random.integers(40, 215, (octave, octave, 3), dtype=np.uint8))
        yield f"clouds-{octave}", _png(np.asarray(coarse.resize(_SIZE, Image.Resampling.BICUBIC), np.float32))
    page = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(page)
    for line in range(22):
        pen.text((40, 20 + 20 * line), "the quick brown fox jumps over the lazy dog " * 2, fill="black")
    yield "page", _png(np.asarray(page, np.float32))


def _png(values: object) -> bytes:
    rgb = np.clip(np.asarray(values), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(rgb).convert("RGB").save(file, "PNG")
    return file.getvalue()


def pictures(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the photos of a folder; not the truths beside them."""
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in _SUFFIXES and not file.stem.endswith((".alpha", ".foreground")):
            yield file.name, file.read_bytes()


def truth_of(folder: Path | None, name: str, mask: F32) -> float | None:
    """Return how much a mask has in common with the true alpha beside a photo, None where there is none."""
    file = folder / f"{Path(name).stem}.alpha.png" if folder else None
    if file is None or not file.is_file():
        return None
    with Image.open(file) as alpha:
        small = alpha.convert("L").resize(mask.shape[::-1], Image.Resampling.BOX)
    return agreement(mask, np.asarray(small, np.float32) / np.float32(255))


def rows_of(
    source: Iterator[tuple[str, bytes]], folder: Path | None, network: Network, other: Network | None, *, mirrors: bool
) -> Iterator[Row]:
    """Judge one picture after another."""
    for name, content in source:
        mask = network.mask(content)
        mirrored = agreement(mask, network.mask(content, mirrored=True)) if mirrors else None
        second = agreement(mask, resized(other.mask(content), mask.shape[0])) if other else None
        yield Row(name, network.judged(mask, mirrored, second), truth_of(folder, name, mask))


def summary(rows: Sequence[Row]) -> Mapping[str, str]:
    """Return the columns of a table's line."""
    words = Counter(row.judgement.confidence for row in rows)
    reasons = Counter(row.judgement.doubt for row in rows if row.judgement.confidence is Confidence.CHECK)
    known = [row for row in rows if row.truth is not None]
    wrong = [row for row in known if row.truth is not None and row.truth < WRONG]
    doubted = [row for row in known if row.judgement.confidence is not Confidence.FINE]
    right = [row for row in doubted if row in wrong]
    return {
        "n": str(len(rows)),
        "looks fine": str(words[Confidence.FINE]),
        "wants a look": str(words[Confidence.CHECK]),
        "no subject": str(words[Confidence.NO_SUBJECT]),
        "reasons": ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())) or "-",
        "wrong masks doubted": f"{len(right)}/{len(wrong)}" if known else "-",
        "doubts about right ones": f"{len(doubted) - len(right)}/{len(known) - len(wrong)}" if known else "-",
    }


def told(row: Row) -> str:
    """Return what is said of one picture."""
    one = row.judgement
    truth = "" if row.truth is None else f", IoU {row.truth:.3f}"
    return (
        f"  {row.name}: {words_of(one.confidence, one.doubt)} (peak {one.peak:.3f}, area {one.area:.4f},"
        f" fog {one.fog:.3f}, parts {one.parts}{truth})"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print who is doubted, and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER")
    parser.add_argument("--model", action="append", help="u2netp where none is named; may be given again")
    parser.add_argument("--other", default="", help="a second model to compare with")
    parser.add_argument("--mirror", action="store_true", help="ask about the mirrored photo, too")
    parser.add_argument("--blanks", action="store_true", help="pictures without a subject, too")
    parser.add_argument("--all", action="store_true", help="a line for those that look fine, too")
    arguments = parser.parse_args(argv)
    other = Network(arguments.other) if arguments.other else None
    lines = []
    for name in arguments.model or ["u2netp"]:
        network = Network(name)
        sources = [(folder.name, pictures(folder), folder) for folder in arguments.folders]
        for title, source, folder in [*sources, *([("blanks", blanks(), None)] if arguments.blanks else [])]:
            print(f"{network.name}, {title}:")
            rows = []
            for row in rows_of(source, folder, network, other, mirrors=arguments.mirror):
                rows.append(row)
                if arguments.all or row.judgement.confidence is not Confidence.FINE:
                    print(told(row), flush=True)
            lines.append({"model": network.name, "pictures": title, **summary(rows)})
    if lines:
        print("\n| " + " | ".join(lines[0]) + " |\n|" + "---|" * len(lines[0]))
        print("\n".join("| " + " | ".join(line.values()) + " |" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
