"""Where the cut-outs of `bgzero cut` go."""

import os
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core.errors import UsageError
from bgzero_daemon.core.names import cutout_names, display
from bgzero_daemon.core.recipe import Product
from bgzero_daemon.core.texts import _

STREAM = "-"
"""Standard input or output, as an argument."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a photo's output goes: a folder and the names to try there; no folder means standard output."""

    folder: Path | None
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, photo: str, output: str | None, *, is_single: bool, product: Product) -> "Target":
        """Choose from the photo's name and `--output`. Raises UsageError where the two do not fit."""
        if output == STREAM or (output is None and photo == STREAM):
            if not is_single:
                raise UsageError(_("Standard output takes one photo at a time."))
            return cls(None)
        name = "stdin" if photo == STREAM else os.path.basename(photo)
        if output is None:
            return cls(Path(photo).parent, tuple(cutout_names(name, f"-{product.value}.png")))
        place = Path(output)
        if place.is_dir() or output.endswith("/") or not is_single or not place.suffix:
            if place.exists() and not place.is_dir():
                raise UsageError(_("{file} is a file; several photos need a folder.").format(file=display(place)))
            return cls(place, tuple(cutout_names(name)))
        if place.suffix.lower() != ".png":
            raise UsageError(_("Cut-outs are PNG files: {file} has to end in .png.").format(file=display(place)))
        return cls(place.parent, (place.name,))
