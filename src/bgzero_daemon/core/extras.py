"""Packages that decode what the base installation does not, and the command that brings one.

Whether one is there is asked without loading it: the service never does, and a worker only for a photo that wants it.
"""

import importlib
import sys
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from bgzero_daemon.core.errors import Code, PhotoSkipped
from bgzero_daemon.core.formats import HEIC, RAW
from bgzero_daemon.core.packages import pip
from bgzero_daemon.core.shots import Pair
from bgzero_daemon.core.texts import _

_PROGRAM = "bgzero-daemon"


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra of this program: its name, the word for the photos it decodes, its package, and what is imported."""

    name: str
    word: str
    package: str
    module: str

    @property
    def is_there(self) -> bool:
        """Say whether it is installed now."""
        if self.module in sys.modules:
            return sys.modules[self.module] is not None
        importlib.invalidate_caches()  # it may have come since somebody looked
        try:
            return find_spec(self.module) is not None
        except ImportError:
            return False

    def load(self) -> ModuleType:
        """Import it: late, because few photos want it. Raises PhotoSkipped where it is not there, or does not load."""
        if not self.is_there:
            raise lacking(self.word)
        try:
            return importlib.import_module(self.module)
        except ImportError as error:
            raise PhotoSkipped(
                _("{word} photos cannot be read: {package} does not load ({why}).").format(
                    word=self.word, package=self.package, why=error
                ),
                hint=_("To have them cut: {command}").format(command=pip("install --force-reinstall", self.package)),
                code=Code.LATER_KIND,
            ) from error

    @property
    def command(self) -> str:
        """Return the command that installs it beside this very program, and keeps the others."""
        prefix = Path(sys.prefix)
        if (prefix / "uv-receipt.toml").is_file():
            names = ",".join(sorted({self.name, *installed(), *_asked_of_uv(prefix / "uv-receipt.toml")}))
            return f"uv tool install '{_PROGRAM}[{names}]'"
        if (prefix / "pipx_metadata.json").is_file():
            return f"pipx inject {_PROGRAM} {self.package}"
        return pip("install", f"{_PROGRAM}[{self.name}]")


EXTRAS = {
    extra.word: extra
    for extra in (Extra("raw", RAW, "rawpy", "rawpy"), Extra("heif", HEIC, "pillow-heif", "pillow_heif"))
}
"""By the word of `core.formats`."""


def _asked_of_uv(receipt: Path) -> list[str]:
    """Return the extras that uv has installed this program with: installing it with others takes them away."""
    try:
        wanted = tomllib.loads(receipt.read_text())["tool"]["requirements"]
        return [str(extra) for one in wanted if one["name"] == _PROGRAM for extra in one.get("extras", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def installed() -> list[str]:
    """Return the names of the extras that are there."""
    return [extra.name for extra in EXTRAS.values() if extra.is_there]


def lacking(word: str) -> PhotoSkipped:
    """Return why a photo of this kind is not cut, and the command that changes that as its hint."""
    extra = EXTRAS[word]
    return PhotoSkipped(
        _('{word} photos need the extra "{extra}", which is not installed.').format(word=word, extra=extra.name),
        hint=_("To have them cut: {command}").format(command=extra.command),
        code=Code.LATER_KIND,
    )


def to_bring(pair: Pair) -> Pair:
    """Return which files of a shot an inbox needs in which `pair` says what is cut.

    The developed ones, too, where RAW files are wanted and cannot be read: then they are cut.
    """
    return Pair.BOTH if pair is Pair.RAW and not EXTRAS[RAW].is_there else pair
