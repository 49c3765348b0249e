"""What becomes of results that are not thought to be fine."""

from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.errors import Code, PhotoSkipped
from bgzero_daemon.core.job import Job, JobState, Staged
from bgzero_daemon.core.recipe import NoSubject
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.record import REDO, Record

LATER = -1  # `Record.front` of a photo that is to be cut once more when nothing else waits


def second_for(job: Job, known: Record, staged: Staged) -> str:
    """Return the model by which this result's photo is to be cut once more, "" for none.

    Once only, and never where somebody has chosen a model for it: a second try has one in its row.
    """
    wants = staged.confidence is Confidence.CHECK and not known.wanted and job.recipe.second != job.recipe.model
    return job.recipe.second if wants else ""


def is_second_try(job: Job, known: Record) -> bool:
    """Say whether a photo that waits has a cut-out that wants a look, and is cut once more for that.

    Also where the row does not ask for it any more: a reload may come while the photo is in work.
    """
    is_asked = bool(known.wanted) or job.recipe.model == job.recipe.second
    has_first = known.decided == JobState.DONE and known.confidence == Confidence.CHECK
    return is_asked and has_first and known.front < REDO


def is_overtaken(job: Job, known: Record, *, dropped: bool = False) -> bool:
    """Say whether somebody has asked for the photo to be cut again, otherwise, since this job was begun.

    A job that was `dropped` was begun before: what is to be cut again never is.
    """
    return known.front >= REDO and (dropped or known.wanted not in ("", job.recipe.model))


def not_empty(job: Job, staged: Staged) -> Staged:
    """Return a result that is to be published, or was dropped. Raises PhotoSkipped for one that shows nothing.

    Only where that is the recipe. What was cut before of other bytes stays where it is.
    """
    if staged.confidence is Confidence.NO_SUBJECT and job.recipe.no_subject is NoSubject.SKIP:
        raise PhotoSkipped(
            _("No subject was found in it, so there is no cut-out."),
            hint=_('`bgzero redo` tries it with another model; `no_subject = "publish"` writes empty pictures.'),
            code=Code.NO_SUBJECT,
            sha256=staged.source_sha256,
        )
    return staged
