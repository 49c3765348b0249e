"""Whether the packages beside this program are those it needs, and ONNX Runtime is there once and whole."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec

from bgzero_daemon.catalog.runtime import FLAVOURS, PLAIN
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.extras import EXTRAS, Extra, lacking
from bgzero_daemon.core.packages import pip
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import CannotLook, Finding, note, ok, wrong
from bgzero_daemon.doctor.ground import Ground

_SELF = "bgzero-daemon"
_REQUIREMENT = re.compile(r"\s*(?P<name>[\w.-]+)(\[[^\]]*\])?\s*\(?(?P<bounds>[^;)]*)\)?\s*(;(?P<marker>.*))?")
_BOUND = re.compile(r"\s*(?P<sign>>=|<=|==|!=|~=|>|<)\s*(?P<version>[\w.]+)\s*")
_PLATFORM = re.compile(r"\s*sys_platform\s*(?P<sign>==|!=)\s*['\"](?P<name>\w+)['\"]\s*")


def normal(name: str) -> str:
    """Return a package's name as it is compared (PyPA specification, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _flavours() -> dict[str, str]:
    """Return the ONNX Runtime packages that are installed, with their versions."""
    flavours = {}
    for found in metadata.distributions():
        with suppress(metadata.PackageNotFoundError, KeyError):  # the rest of one that was taken away
            if (name := normal(found.metadata["Name"] or "")) in FLAVOURS:
                flavours[name] = found.version
    return flavours


def runtime(ground: Ground) -> list[Finding]:
    """Find ONNX Runtimes that lie over one another, and load what is there in a process of its own."""
    flavours = sorted(_flavours())
    if len(flavours) > 1:
        kept = next((name for name in flavours if name != PLAIN), PLAIN) if _has_gpu() else PLAIN
        return [
            wrong(
                _("{names} are installed over one another: which of them runs is chance.").format(
                    names=", ".join(flavours)
                ),
                f"{pip('uninstall -y', *flavours)} && {pip('install', _wanted(kept))}",
                _("All of them are to be taken away first: taking one away breaks the other."),
            )
        ]
    try:
        providers = ground.runtime()
    except ModelError as error:
        again = pip("install --force-reinstall --no-deps", _wanted(*flavours[:1] or [PLAIN]))
        return [wrong(str(error), again)]
    if not flavours:
        return [ok(_("ONNX Runtime can be loaded; no package says whose it is."))]
    sentence = _("{name} {version} offers {providers}.")
    version = _flavours()[flavours[0]]
    return [ok(sentence.format(name=flavours[0], version=version, providers=", ".join(providers)))]


def _has_gpu() -> bool:
    return os.path.exists("/proc/driver/nvidia") or os.path.exists("/dev/kfd")


def _wanted(flavour: str) -> str:
    """Return a flavour as pip takes it; only the plain one has bounds: the others lag behind it by months."""
    return flavour + next((bounds for name, bounds in _requirements() if name == flavour), "")


def _requirements() -> Iterator[tuple[str, str]]:
    """Yield name and bounds of every package that this program needs here."""
    try:
        lines = metadata.requires(_SELF) or []
    except metadata.PackageNotFoundError:
        raise CannotLook(_("This program runs without being installed as a package.")) from None
    for line in lines:
        found = _REQUIREMENT.fullmatch(line)
        if found and _applies(found["marker"]):
            yield normal(found["name"]), found["bounds"].replace(" ", "")


def _applies(marker: str | None) -> bool:
    """Say whether a requirement is one here. Other markers than the platform's are those of extras."""
    if not marker:
        return True
    found = _PLATFORM.fullmatch(marker)
    return found is not None and (found["sign"] == "==") == (sys.platform == found["name"])


def fits(version: str, bounds: str) -> bool:
    """Say whether a version is within bounds (PyPA specification, version specifiers), by its release numbers."""
    have = _numbers(version)
    for bound in filter(None, bounds.split(",")):
        if not (found := _BOUND.fullmatch(bound)):
            continue
        want = _numbers(found["version"])
        width = max(len(have), len(want))
        one, other = _padded(have, width), _padded(want, width)
        verdicts = {
            ">=": one >= other, "<=": one <= other, ">": one > other, "<": one < other, "==": one == other,
            "!=": one != other, "~=": one >= other and have[: len(want) - 1] == want[:-1],
        }  # fmt: skip
        if not verdicts[found["sign"]]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _padded(numbers: tuple[int, ...], width: int) -> tuple[int, ...]:
    return numbers + (0,) * (width - len(numbers))


def versions(_ground: Ground) -> list[Finding]:
    """Compare Python and every package with what this program asks for."""
    needed = list(_requirements())
    python = metadata.metadata(_SELF)["Requires-Python"] or ""
    here = ".".join(map(str, sys.version_info[:3]))
    if not fits(here, python):
        return [wrong(_("This is Python {here}, and {wanted} is needed.").format(here=here, wanted=python))]
    found = []
    for name, bounds in needed:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name == PLAIN and _flavours():
                continue
            found.append(wrong(_("{name} is not installed.").format(name=name), pip("install", name + bounds)))
            continue
        if not fits(version, bounds):
            sentence = _("{name} {version} is installed, and {bounds} is needed.")
            found.append(
                wrong(sentence.format(name=name, version=version, bounds=bounds), pip("install", name + bounds))
            )
    return found or [
        ok(_("Python {here} and {count} packages are what is needed.").format(here=here, count=len(needed)))
    ]


def extras(_ground: Ground) -> list[Finding]:
    """Say which photos an extra would bring, and which are read by one."""
    return [*map(_extra, EXTRAS.values()), *_deep()]


def _extra(extra: Extra) -> Finding:
    if not extra.is_there:
        return note(str(lacking(extra.word)), extra.command)
    sentence = _("{word} photos are read by {package} {version}.")
    with suppress(metadata.PackageNotFoundError):
        version = metadata.version(extra.package)
        return ok(sentence.format(word=extra.word, package=extra.package, version=version))
    return ok(_("{word} photos are read; no package says by which version.").format(word=extra.word))


def _deep() -> list[Finding]:
    """Say what is missing for photos of 16 bits; nothing where it is there."""
    if find_spec("pyvips") is not None:
        return []
    sentence = _("PNG and TIFF of 16 bits are written with 8: the extra that reads them is not installed.")
    return [note(sentence, pip("install", "bgzero-daemon[deep]"))]
