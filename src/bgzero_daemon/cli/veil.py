"""Taking names out of texts: of photos and their folders, of the account, of the machine.

Two nets. What is known (from the folders, the daemon and the log itself) is replaced by a name that stays the same
within one text, in every form in which this program writes names. And where a name can stand, what is not known is
left out: behind a configured folder, and whatever looks like a picture's file.
"""

import contextlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote_from_bytes

from bgzero_daemon.core.names import cutout_names, display, display_line, to_wire

LEFT_OUT = "<left out>"

_SUFFIXES = (
    "jpg|jpeg|jpe|jfif|png|webp|tif|tiff|bmp|dib|gif|avif|heic|heif|hif|psd|xmp|dng|nef|nrw|arw|cr2|cr3|crw|raf|orf|"
    "rw2|pef|srw|x3f|3fr|iiq|raw"
)
# A folder may be called like this, and these words say nothing of it: each log has them.
OWN_WORDS = frozenset({"cut", "done", "failed", "in", "on", "skipped", "the", "to", "waits", "worker"})
_SUFFIX = re.compile(rf"\.(?:{_SUFFIXES})$", re.IGNORECASE)
# In work, NUL and SOH enclose the numbers of folders and of stand-ins: no text that came through display_line has them.
_LOOKS_LIKE_A_PICTURE = re.compile(rf"[^\s\"'/\0\x01]+\.(?:{_SUFFIXES})(?![^\W_])", re.IGNORECASE)
_UNKNOWN_BELOW = re.compile(r"(\0\d+\0)/(?!(?:\x01\d+\x01/?)+(?:[^\w/]|$)).*")


class Veil:
    """What is known, and what stands for it. `roots` are the folders in and below which photos and cut-outs lie."""

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}
        self._stand_ins: dict[str, str] = {}
        self._count = 0

    def know_root(self, folder: str) -> None:
        """Take note of a folder of photos; its own path is no secret."""
        for path in (folder, os.path.realpath(folder)):
            for form in _forms(path.rstrip("/")):
                if len(form) > 1:
                    self._roots.setdefault(form, display(folder))

    def know(self, rel: str) -> None:
        """Take note of a photo's path below its folder, or of its name, with the folders in it and its cut-outs."""
        *folders, name = [part for part in rel.split("/") if part not in ("", ".", "..")] or [""]
        if not name:
            return
        self._count += 1
        suffix = _SUFFIX.search(name)
        stand_in = f"photo-{self._count}{suffix[0].lower() if suffix else ''}"
        for known in (rel, name):
            self._put(known, stand_in)
        for cutout in cutout_names(name):
            self._put(cutout, f"photo-{self._count}.png")
            self._put("/".join([*folders, cutout]), f"photo-{self._count}.png")
        for folder in folders:
            self.know_folder(folder)

    def know_folder(self, name: str) -> None:
        """Take note of the name of a folder below those of photos."""
        self._put(name, f"folder-{len(self._stand_ins) + 1}")

    def know_path(self, path: str) -> None:
        """Take note of a full path, by what of it is below a known folder, or by its name alone."""
        for root in sorted(self._roots, key=len, reverse=True):
            if path.startswith(root + "/"):
                self.know(path[len(root) + 1 :])
                return
        self.know(os.path.basename(path))

    def _put(self, name: str, stand_in: str) -> None:
        if name in OWN_WORDS:
            return
        for form in _forms(name):
            self._stand_ins.setdefault(form, stand_in)

    def cover(self, lines: Sequence[str]) -> list[str]:
        """Return the lines without names, each still one line."""
        plain = [display_line(line) for line in lines]
        whole = "\n".join(plain)
        known = sorted((form for form in self._stand_ins if form in whole), key=len, reverse=True)
        roots = sorted(self._roots, key=len, reverse=True)
        return [self._cover(line, roots, [form for form in known if form in line]) for line in plain]

    def _cover(self, line: str, roots: Sequence[str], known: Sequence[str]) -> str:
        for number, root in enumerate(roots):  # folders first: a photo may have the name of a part of one
            line = re.sub(f"{re.escape(root)}(?![^\\W_])", f"\0{number}\0", line)
        if known:
            number_of = {form: f"\x01{number}\x01" for number, form in enumerate(known)}
            line = re.sub("|".join(map(_whole, known)), lambda match: number_of[match[0]], line)
        # behind a folder only what was covered may stand; where a name that is not known would end, nobody can tell
        line = _UNKNOWN_BELOW.sub(rf"\1/{LEFT_OUT}", line)
        line = _LOOKS_LIKE_A_PICTURE.sub("<photo>", line)
        if not roots:
            line = re.sub(r"(?<!\w)/\w.*", LEFT_OUT, line)
        line = re.sub(r"\x01(\d+)\x01", lambda match: self._stand_ins[known[int(match[1])]], line)
        return re.sub(r"\0(\d+)\0", lambda match: self._roots[roots[int(match[1])]], line)


def without_person(text: str, *, home: str, people: Iterable[str], hosts: Iterable[str]) -> str:
    """Return a text in which the home folder is ~, and account and machine have no name. Names of tools are kept."""
    for form in sorted({form for path in (home, os.path.realpath(home)) for form in _forms(path)} - {"", "/"}):
        text = re.sub(f"{re.escape(form)}(?![^\\W_])", "~", text)
    for names, stand_in in ((people, "<account>"), (hosts, "<host>")):
        for name in sorted({form for given in names for form in _forms(given)}, key=len, reverse=True):
            if name.strip() and name.lower() != "bgzero":
                text = re.sub(_whole(name), stand_in, text, flags=re.IGNORECASE)
    return text


def _whole(name: str) -> str:
    """Return a pattern of this name where it is not a part of a longer word."""
    before = r"(?<![^\W_])" if name[:1].isalnum() else ""
    after = r"(?![^\W_])" if name[-1:].isalnum() else ""
    return before + re.escape(name) + after


def _forms(name: str) -> set[str]:
    """Return a name in every form in which it may have been written."""
    forms = set()
    for text in {name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}:
        shown = {text, display(text), display_line(text), repr(text)[1:-1], display_line(repr(text)[1:-1])}
        quoted = {json.dumps(one, ensure_ascii=is_ascii)[1:-1] for one in shown for is_ascii in (True, False)}
        forms |= shown | quoted
        with contextlib.suppress(UnicodeEncodeError):  # it came through a text, and is no file's
            forms |= {to_wire(text), quote_from_bytes(os.fsencode(text), safe="")}
    return forms - {""}
