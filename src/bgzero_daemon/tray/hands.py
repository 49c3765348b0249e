"""Doing what was clicked: in threads that keep nobody from leaving, a few at a time, and with a word where it fails."""

import logging
import threading
from collections.abc import Callable

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_MOST = 16  # at once: with a daemon that hangs each of them waits for half a minute


class Hands:
    """`tell` shows a title and a sentence to the user, `after` is called when something is over."""

    def __init__(self, tell: Callable[[str, str], None], after: Callable[[], None]) -> None:
        self._tell, self._after = tell, after
        self._free = threading.Semaphore(_MOST)

    def do(self, deed: Callable[[], None]) -> None:
        """Have something done soon; what is too much at once is passed over. From any thread, returns at once."""
        if not self._free.acquire(blocking=False):
            log.debug("too many clicks at once: one is passed over")
            return
        try:
            threading.Thread(target=self._run, args=(deed,), name="tray-action", daemon=True).start()
        except RuntimeError as error:  # no room for one more thread
            self._free.release()
            log.warning("%s", error)

    def _run(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except BgzeroError as error:
            self._tell(error.title, f"{error} {error.hint}".strip())
        except OSError as error:
            self._tell(_("That did not work"), str(error.strerror or error))
        except Exception:
            log.exception("an action of the menu failed")
        finally:
            self._free.release()
            self._after()
