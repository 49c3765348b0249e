"""What is answered on the control socket."""

import logging
from concurrent.futures import Future

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.wire.control import BadRequest

log = logging.getLogger(__name__)

Reply = dict[str, object]


def refusal(sentence: str, hint: str = "") -> Reply:
    """Return the reply of a request that was not served."""
    return {"ok": False, "sentence": sentence, "hint": hint}


def settle(future: "Future[Reply]", answer: "Reply | Exception") -> None:
    """Answer with what was found, or with the sentence of what went wrong."""
    if isinstance(answer, BadRequest):
        future.set_result(refusal(str(answer)))
    elif isinstance(answer, BgzeroError):
        future.set_result(refusal(str(answer), answer.hint))
    elif isinstance(answer, Exception):
        log.error("a command could not be answered", exc_info=answer)
        future.set_result(refusal(f"{type(answer).__name__}: {answer}"))
    else:
        future.set_result({"ok": True, **answer})


def pass_on(future: "Future[Reply]", done: "Future[Reply]") -> None:
    """Answer with what another future ended in."""
    error = done.exception()
    settle(future, error if isinstance(error, Exception) else done.result())
