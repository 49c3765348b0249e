"""When and by what a photo was taken, as its EXIF says. Whoever uses that trusts none of it."""

import warnings
from datetime import datetime

from PIL import ExifTags, Image

from bgzero_daemon.photo import exif as blocks

_DATES = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized)
_FORM = "%Y:%m:%d %H:%M:%S"
_EARLIEST_YEAR = 1826
_MOST_CHARS = 100


def taken_of(exif: Image.Exif | None) -> str:
    """Return the moment of capture in the camera's own time, as ISO 8601 to the second; "" where none is told.

    A clock that was never set (0000:00:00) tells none.
    """
    if exif is None:
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd entries
        inner = blocks.directory_of(exif, ExifTags.IFD.Exif)
        said = [*(blocks.read(inner, tag) for tag in _DATES), blocks.read(exif, ExifTags.Base.DateTime)]
    for value in said:
        text = value.strip("\0 ")[:19] if isinstance(value, str) else ""
        try:
            moment = datetime.strptime(text, _FORM)  # noqa: DTZ007 - a camera's own time
        except ValueError:
            continue
        if moment.year >= _EARLIEST_YEAR:
            return moment.isoformat()
    return ""


def camera_of(exif: Image.Exif | None) -> str:
    """Return the camera's model, one line of 100 characters at most; "" where none is told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = blocks.read(exif, ExifTags.Base.Model) if exif is not None else None
    return " ".join(value.split())[:_MOST_CHARS] if isinstance(value, str) else ""
