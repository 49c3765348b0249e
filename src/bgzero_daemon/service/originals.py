"""What happens to a photo once its cut-out is safe: it stays, moves to another tree, or goes to the trash.

Never an unlink: whatever goes wrong, the bytes of an original are still somewhere.
"""

import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bgzero_daemon.core import crash
from bgzero_daemon.core.names import display
from bgzero_daemon.core.rename import in_one_step
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

TRASHED = "trash:"
_TRASHING = threading.Lock()  # the library looks for a free name and then takes it


@dataclass(frozen=True, slots=True)
class Originals:
    """The policy of one folder. `done` is where originals move to, on the same file system as the inbox."""

    policy: Literal["keep", "move", "trash"]
    done: Path

    def dispose(self, inbox: Path, rel: str, sha256: str, expected: os.stat_result) -> str:
        """Do what is asked with a photo whose cut-out is verified; return where it is now, "" for where it was.

        `sha256` tells names apart that are taken; `expected` is the file that was cut: another one that
        takes its place at the last moment stays. Trouble leaves the photo where it is, which the log says.
        """
        if self.policy == "keep":
            return ""
        try:
            if self.policy == "trash":
                moved = self._trash(inbox / rel)
            else:
                moved = self._move(inbox / rel, rel, sha256, expected)
        except OSError as error:
            log.warning(_("%s stays where it is: %s."), display(rel), error.strerror or error)
            return ""
        crash.point("disposed")
        return moved

    def _move(self, source: Path, rel: str, sha256: str, expected: os.stat_result) -> str:
        folder = self.done / os.path.dirname(rel)
        folder.mkdir(parents=True, exist_ok=True)
        stem, suffix = os.path.splitext(os.path.basename(rel))
        for name in (f"{stem}{suffix}", f"{stem}-{sha256[:8]}{suffix}", f"{stem}-{sha256}{suffix}"):
            target = folder / name
            if in_one_step(source, target):
                if not os.path.samestat(os.lstat(target), expected):
                    in_one_step(target, source)
                    raise OSError(None, _("another photo has taken its place"))
                return str(target)
        raise FileExistsError(None, _("every name for it is taken in the folder of done photos"))

    def _trash(self, source: Path) -> str:
        from send2trash import send2trash  # only for those who ask for it
        from send2trash.exceptions import TrashPermissionError

        try:
            with _TRASHING:
                send2trash(source)
        except TrashPermissionError as error:
            raise OSError(None, _("it cannot be moved to the trash")) from error
        return TRASHED
