"""Removing what this program has written, and nothing else: no link is followed, no photo goes."""

import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.formats import has_photo_suffix
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.folders import done_folder
from bgzero_daemon.settings.schema import Folder

BESIDE = ".bgzero"  # in an outbox: what could not be cut

Identity = tuple[int, int]

# What this program writes into its folders, by the folder below their top ("": the top itself).
_WRITTEN = {
    "": re.compile(
        r"\.?config\.toml(\..*)?|ledger\.db.*|imports\.(db.*|lock)|\.?state\.toml.*|bgzero\.log.*"
        r"|\.?(status|proofs)\.json.*|control\.(sock|lock)"
    ),
    "locks": re.compile(r"[0-9a-f]+-[0-9a-f]+"),
    "models": re.compile(r".*\.(onnx|toml)"),
    "failed": re.compile(r".*\.json"),
    "prepared": re.compile(r"(?!)"),
    "prepared/*": re.compile(r"(graph\.onnx|manifest\.json)(\.new)?|folded\.onnx"),
}
_HASHED = re.compile(r"\Aprepared/([0-9a-f]{64}-[0-9a-f]{16}|\.new-\w+)\Z")


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that stays, and why."""

    path: Path
    why: str
    is_trouble: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes, and whose identities (device and inode) are kept wherever they are met."""

    places: tuple[Path, ...]
    kept: frozenset[Identity] = field(default_factory=frozenset)


def make_plan(folders: Sequence[Folder]) -> Plan:
    """Return what there is of ours on this machine: our folders, and `.bgzero` beside the cut-outs."""
    config = paths.config_file()
    ours = [config.parent if config else None, paths.state_dir(), paths.runtime_dir(), paths.data_dir()]
    ours += [prepared.parent] if (prepared := paths.prepared_dir()) else []
    ours += [folder.outbox / BESIDE for folder in folders]
    # a service's environment may name folders of that service: ours are called after this program
    named = [place for place in ours if place and place.name.startswith((paths.APP, BESIDE))]
    places = tuple(dict.fromkeys(place for place in named if os.path.lexists(place)))
    theirs = [place for folder in folders for place in (folder.inbox, folder.outbox, done_folder(folder))]
    # a variable may point our folders anywhere: an account's home, and what it lies in, are never ours
    home = paths.home()
    theirs += [home, *home.resolve().parents] if home else []
    return Plan(places, frozenset(_identities(theirs)))


def _identities(places: Sequence[Path]) -> Iterator[Identity]:
    for place in places:
        try:
            found = os.stat(place)
        except OSError:
            continue
        yield found.st_dev, found.st_ino


def foresee(plan: Plan) -> list[Kept]:
    """Return what will stay in the places of a plan. Changes nothing."""
    return _visit_all(plan, lambda _folder, _name, _is_folder: None)


def carry_out(plan: Plan) -> list[Kept]:
    """Remove what a plan names; returns what stayed."""
    return _visit_all(plan, _remove)


_Act = Callable[[int, str, bool], None]


def _remove(folder: int, name: str, is_folder: bool) -> None:
    if is_folder:
        os.rmdir(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)


def _visit_all(plan: Plan, act: _Act) -> list[Kept]:
    stays: list[Kept] = []
    for place in plan.places:
        try:
            parent = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # went with an earlier place
        except OSError as error:
            stays.append(_trouble(place, error))
            continue
        try:
            stays += _visit(plan, act, parent, place, (), os.fstat(parent).st_dev)
        finally:
            os.close(parent)
    return stays


def _visit(plan: Plan, act: _Act, parent: int, path: Path, inside: tuple[str, ...], device: int) -> list[Kept]:
    """Act on one entry of the opened folder `parent`, its contents first; returns what stays of it.

    `inside` is where it lies below one of our folders, () for that folder itself.

    Everything is done by name in an opened folder, so that nobody can put a link in the way meanwhile.
    """
    try:
        found = os.lstat(path.name, dir_fd=parent)
        if why := _reason_to_keep(plan, inside, found, device):
            return [Kept(path, why)]
        stays = _visit_inside(plan, act, parent, path, inside, device) if stat.S_ISDIR(found.st_mode) else []
        if not stays:
            act(parent, path.name, stat.S_ISDIR(found.st_mode))
        return stays
    except FileNotFoundError:
        return []
    except OSError as error:
        return [_trouble(path, error)]


def _reason_to_keep(plan: Plan, inside: tuple[str, ...], found: os.stat_result, device: int) -> str:
    if not stat.S_ISDIR(found.st_mode):
        if inside and has_photo_suffix(inside[-1]):
            return _("it is called like a photo")
        names = _WRITTEN.get(_kind(inside[:-1]))
        is_link = stat.S_ISLNK(found.st_mode)
        return "" if is_link or (names and names.fullmatch(inside[-1])) else _("this program did not write it")
    if (found.st_dev, found.st_ino) in plan.kept:
        return _("it is a folder of yours")
    if inside and _kind(inside) not in _WRITTEN:
        return _("this program did not make it")
    return _("something is mounted there") if found.st_dev != device else ""


def _kind(inside: tuple[str, ...]) -> str:
    """Return a folder's key in _WRITTEN: folders of prepared graphs are called after hashes, or begun."""
    return _HASHED.sub("prepared/*", "/".join(inside))


def _visit_inside(plan: Plan, act: _Act, parent: int, path: Path, inside: tuple[str, ...], device: int) -> list[Kept]:
    folder = os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        return [
            kept
            for name in sorted(os.listdir(folder))
            for kept in _visit(plan, act, folder, path / name, (*inside, name), device)
        ]
    finally:
        os.close(folder)


def _trouble(path: Path, error: OSError) -> Kept:
    return Kept(path, error.strerror or str(error), is_trouble=True)


def is_in_use(state: Path | None) -> bool:
    """Say whether some daemon of this account, `run --once` too, holds the lock of an inbox in this state folder."""
    locks = state / "locks" if state else None
    if locks is None or not locks.is_dir():
        return False
    for file in locks.iterdir():
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # no lock of ours
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def count_cutouts(outbox: Path) -> int:
    """Count the pictures in an outbox, links not followed; what cannot be read counts as nothing."""
    return sum(
        name.lower().endswith(".png") and not name.startswith(".")
        for _folder, _folders, names in os.walk(outbox)
        for name in names
    )
