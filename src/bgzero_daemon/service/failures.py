"""What could not be cut, beside the cut-outs: one small JSON for each photo, for people and for programs."""

import hashlib
import json
import logging
import os
import re
import time
from pathlib import Path

from bgzero_daemon.core.names import display, to_wire
from bgzero_daemon.service.record import Record

log = logging.getLogger(__name__)

FOLDER = ".bgzero"
_PLAIN = re.compile(r"[A-Za-z0-9._ -]{1,100}")


class Failures:
    """The folder `.bgzero/failed` of an outbox. Trouble there is logged and never a photo's trouble."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox
        self._folder = outbox / FOLDER / "failed"

    def _file(self, inbox: str, rel: str) -> Path:
        digits = hashlib.sha256(os.fsencode(os.path.join(inbox, rel))).hexdigest()[:8]
        name = os.path.basename(rel)
        return self._folder / f"{name if _PLAIN.fullmatch(name) else 'photo'}-{digits}.json"

    def write(self, inbox: str, rel: str, record: Record) -> None:
        """Say why a photo was not cut."""
        file = self._file(inbox, rel)
        story = {
            "photo": display(os.path.join(inbox, rel)),
            "path": to_wire(os.path.join(inbox, rel)),
            "code": record.code,
            "sentence": record.sentence,
            "hint": record.hint,
            "sha256": record.sha256,
            "model": record.model,
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.decided_at)),
        }
        half = file.with_name(f".bgz-{file.name}.tmp")
        try:
            if not self._outbox.is_dir():  # a lost mount is not filled
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            half.write_text(json.dumps(story, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            os.replace(half, file)
        except OSError as error:
            log.debug("%s: %s", display(file), error)

    def clear(self, inbox: str, rel: str) -> None:
        """Take back what was said of a photo."""
        try:
            self._file(inbox, rel).unlink(missing_ok=True)
        except OSError as error:
            log.debug("%s: %s", display(rel), error)
