"""Names of files that are still being made, or that were never meant to be looked at.

Lists age, so nothing depends on this one alone: every gate behind it holds without it. It only saves
work and spares people outputs of half a download. Sources: the programs' own code or documentation.
"""

import re

# Compared without regard to case, with each part of the path below the inbox.
_PATTERNS = (
    r"\..*",  # hidden: also macOS ._NAME, rsync .NAME.XXXXXX, Syncthing .syncthing.*, Nextcloud, our own .bgz-*
    r"~\$.*",  # Office
    r".*~",  # backups of editors
    r"~syncthing~.*",
    r".*\.(part|partial|filepart|crdownload|download|opdownload|tmp|temp|!qb)",  # browsers, FTP and torrent clients
    r".*\.part\d+",
    r"tmpfile......",  # gphoto2, before it renames
    r".*digikamtempfile.*",  # digiKam's import
    r"rpd-tmp-.*",  # Rapid Photo Downloader's folder
    r".*\.(jpe?g|tiff?|png|webp|bmp|gif|avif)\.[a-z0-9_]{6}",  # darktable: NAME.jpg.XXXXXX, then a rename
    r"thumbs\.db|desktop\.ini|@eadir|__macosx|lost\+found|#recycle",  # Windows, Synology, macOS, ext4
)
_UNFINISHED = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE | re.DOTALL)


def is_ignored(name: str) -> bool:
    """Say whether a file or folder of this name is hidden, or something that is still being made."""
    return _UNFINISHED.fullmatch(name) is not None
