"""What becomes of results that are not thought to be fine."""

from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.errors import Code, PhotoSkipped
from bgzero_daemon.core.job import Job, Staged
from bgzero_daemon.core.recipe import NoSubject
from bgzero_daemon.core.texts import _


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
