"""Why a worker was ended or died, as the errors of `service.workforce`: whose fault it is, and what to do about it."""

from bgzero_daemon.core.errors import BgzeroError, Code, PhotoCrashed, WorkforceLost
from bgzero_daemon.core.texts import _


def died(how: str) -> PhotoCrashed:
    """It ended by itself, with a photo in its hands."""
    return PhotoCrashed(
        _("The worker ended in the middle of its work ({how}).").format(how=how),
        hint=_("The file is damaged, or provokes a bug in a decoder. Try to export it again."),
    )


def never_began(how: str) -> WorkforceLost:
    """It ended by itself, before it began with any photo."""
    return WorkforceLost(
        _("The worker ended before it began with a photo ({how}).").format(how=how),
        hint=_("What it said is above; `bgzero cut -v` on one photo says more."),
    )


def too_large(limit_bytes: int) -> PhotoCrashed:
    """It took too much memory for a photo."""
    sentence = _("The worker grew beyond {limit} MB of memory.").format(limit=limit_bytes // 1_000_000)
    hint = _("Raise worker.memory_limit, or export the photo smaller.")
    return PhotoCrashed(sentence, hint=hint, code=Code.TOO_HEAVY)


def model_too_large(model: str, resident_bytes: int, limit_bytes: int) -> WorkforceLost:
    """It took too much memory before any photo."""
    sentence = _("The model {name} takes {have} MB of memory, and a worker may use {limit} MB.").format(
        name=model, have=resident_bytes // 1_000_000, limit=limit_bytes // 1_000_000
    )
    return WorkforceLost(sentence, hint=_("Raise worker.memory_limit, or choose a smaller model."))


def too_slow(seconds: float) -> PhotoCrashed:
    """A photo was not finished in time."""
    sentence = _("It was not finished within {seconds} s.").format(seconds=round(seconds))
    hint = _("It may provoke a bug in a decoder: export it again. Or raise worker.deadline_seconds.")
    return PhotoCrashed(sentence, hint=hint, code=Code.TOO_SLOW)


def beside(culprit: PhotoCrashed) -> PhotoCrashed:
    """For photos that were in the worker with one that was not finished in time: held up by it, or holding it up."""
    sentence = _("It was in the worker with a photo that was not finished in time.")
    return PhotoCrashed(sentence, hint=culprit.hint, code=culprit.code)


def nobodys(why: BgzeroError) -> WorkforceLost:
    """The same for photos that cannot have had to do with it."""
    return why if isinstance(why, WorkforceLost) else WorkforceLost(str(why), hint=why.hint)


def share(why: BgzeroError, *, has_begun: bool, is_culprit: bool) -> BgzeroError:
    """Return what a photo that the worker still held is told.

    One that a lane had begun with may have killed the worker: one strike. One that was still waiting in the worker
    cannot have: no strike. `is_culprit` where it was the one that was not finished in time, or there is none.
    """
    if not has_begun:
        return nobodys(why)
    return beside(why) if isinstance(why, PhotoCrashed) and not is_culprit else why
