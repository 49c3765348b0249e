"""Prepared graphs: what `bgzero model prepare` made of a card's weights for the CPU, in the cache.

A folder for each: the graph, and a manifest that is written last. Whoever opens one believes the manifest only as
far as the graph's bytes agree, and has the published weights otherwise. The folder is this account's alone, as those
of cards are: who can write there could write a card as well.
"""

import hashlib
import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bgzero_daemon.catalog import runtime
from bgzero_daemon.catalog.card import ModelCard, Sha256
from bgzero_daemon.core import paths
from bgzero_daemon.core.texts import _

RECIPE = 2  # counts up whenever another graph would come out of the same weights
GRAPH, MANIFEST = "graph.onnx", "manifest.json"
WORKPLACE, FOLDED = ".new-", "folded.onnx"  # a folder beside the others, and what ONNX Runtime writes there
_LONGEST_WORK_SECONDS = 3600.0
_LONGEST_MANIFEST = 10_000


class Manifest(BaseModel):
    """What was made of what, and by whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: int
    provider: Literal["cpu"] = "cpu"
    source_sha256: Sha256
    output: str
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    onnxruntime: str
    onnx: str
    program: str


class NotPrepared(Exception):
    """There is a prepared graph, and it cannot be used; the message says why."""


class Opened(NamedTuple):
    """A descriptor at the beginning of a prepared graph, which is the caller's, and the SHA-256 that was found."""

    descriptor: int
    sha256: str


def runtime_version() -> str:
    """Return the version of ONNX Runtime; of several packages over one another, all of them."""
    return "+".join(sorted(set(runtime.versions().values())))


def folder_of(card: ModelCard) -> Path | None:
    """Return where the prepared graph of a card belongs, for this recipe and this ONNX Runtime; None without a home."""
    if (top := paths.prepared_dir()) is None:
        return None
    key = repr((RECIPE, "cpu", card.output.output, runtime_version()))
    return top / f"{card.sha256}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def is_there(card: ModelCard) -> bool:
    """Say whether a graph was prepared for a card. Whether it is whole shows when it is opened."""
    folder = folder_of(card)
    return bool(folder) and os.path.isfile(os.path.join(str(folder), MANIFEST))


def open_graph(card: ModelCard) -> Opened | None:
    """Open the prepared graph of a card; None where there is none.

    Raises NotPrepared where it is not what its manifest says, or the manifest speaks of something else.
    """
    folder = folder_of(card)
    if folder is None or not os.path.lexists(folder):
        return None
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return _open_in(place, card)
        finally:
            os.close(place)
    except OSError as error:
        raise NotPrepared(error.strerror or str(error)) from error


def _open_in(place: int, card: ModelCard) -> Opened:
    found = os.fstat(place)
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise NotPrepared(_("others may write into its folder"))
    with os.fdopen(_open(MANIFEST, place), "rb") as file:
        try:
            manifest = Manifest.model_validate_json(file.read(_LONGEST_MANIFEST))
        except ValidationError as error:
            raise NotPrepared(_("its manifest cannot be read")) from error
    wanted = (RECIPE, card.sha256, card.output.output, runtime_version())
    if wanted != (manifest.recipe, manifest.source_sha256, manifest.output, manifest.onnxruntime):
        raise NotPrepared(_("its manifest is for another version"))
    with ExitStack() as on_trouble:
        descriptor = _open(GRAPH, place)
        on_trouble.callback(os.close, descriptor)
        with open(descriptor, "rb", closefd=False) as file:
            digits = hashlib.file_digest(file, "sha256").hexdigest()
        if os.fstat(descriptor).st_size != manifest.size_bytes or digits != manifest.sha256:
            raise NotPrepared(_("its bytes are not those of its manifest"))
        os.lseek(descriptor, 0, os.SEEK_SET)  # the worker's descriptor shares the position
        on_trouble.pop_all()
    return Opened(descriptor, digits)


def _open(name: str, place: int) -> int:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPrepared(_("{name} is no file").format(name=name))
    return descriptor


def store(card: ModelCard, graph: bytes, manifest: Manifest) -> Path:
    """Write graph and manifest, the manifest last; return their folder. Graphs for other versions go.

    Raises OSError, and FileNotFoundError where this account has no home.
    """
    folder = folder_of(card)
    if folder is None:
        raise FileNotFoundError(_("this account has no home"))
    paths.make_private(folder.parent.parent)
    for made in (folder.parent, folder):
        paths.make_private(made)
    with suppress(FileNotFoundError):
        os.unlink(folder / MANIFEST)
    for name, content in ((GRAPH, graph), (MANIFEST, manifest.model_dump_json(indent=2).encode())):
        _write(folder, name, content)
    for other in folder.parent.glob(f"{card.sha256}-*"):
        if other != folder:
            remove(other)
    return folder


def _write(folder: Path, name: str, content: bytes) -> None:
    beside = folder / f"{name}.new"
    with open(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, folder / name)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def forget(card: ModelCard) -> None:
    """Take away every graph that was prepared from a card's weights."""
    if top := paths.prepared_dir():
        for folder in top.glob(f"{card.sha256}-*"):
            remove(folder)


def sweep(top: Path, now: float) -> None:
    """Take away the workplaces that a killed process has left, once nobody can be at work there any more."""
    for left in top.glob(f"{WORKPLACE}*"):
        with suppress(OSError):
            if now - left.stat().st_mtime > _LONGEST_WORK_SECONDS:
                remove(left)


def remove(folder: Path) -> None:
    """Take a prepared graph away, the manifest first; what somebody else has put there stays."""
    for name in (MANIFEST, GRAPH, f"{MANIFEST}.new", f"{GRAPH}.new", FOLDED):
        with suppress(OSError):
            os.unlink(folder / name)
    with suppress(OSError):
        os.rmdir(folder)
