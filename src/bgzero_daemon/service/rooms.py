"""Where the cut-out of a photo belongs: beside the others, mirrored, or below `Review`, mirrored in the same way.

Which of the two a file is in is asked of a photo, not of a path: an inbox may have a sub-folder that is called so, too.
"""

import os
from pathlib import Path

from bgzero_daemon.core.confidence import REVIEW
from bgzero_daemon.core.names import cutout_names, spare_names


def home_of(root: Path, rel: str) -> Path:
    """Return the folder below an outbox for the cut-out of the photo at `rel` below its inbox."""
    return root / os.path.dirname(rel)


def review_of(root: Path, rel: str) -> Path:
    """Return the folder for it as long as it wants a look."""
    return root / REVIEW / os.path.dirname(rel)


def paths_in(folder: Path, rel: str, sha256: str) -> list[str]:
    """Return the paths in one of the two that a cut-out of a photo with this content may have, in their order."""
    name = os.path.basename(rel)
    return [str(folder / candidate) for candidate in (*cutout_names(name), *spare_names(name, sha256))]


def is_in_review(root: Path, rel: str, output: str) -> bool:
    """Say whether this cut-out of that photo waits for a look."""
    return bool(output) and os.path.dirname(output) == str(review_of(root, rel))
