"""A process that draws a picture to measure with.

    python -m bgzero_daemon.worker.specimen PIXELS SEED NICENESS PARENT

The JPEG goes to standard output; nothing is read, and no file is opened. The service and its commands never touch a
pixel, so they start this.
"""

import io
import os
import signal
import sys

from PIL import Image

from bgzero_daemon.photo import specimen
from bgzero_daemon.worker import manners

QUALITY = 92
"""Of the JPEG, as cameras and raw converters have it."""


def as_jpeg(pixels: int, seed: int) -> bytes:
    """Return a picture of about so many pixels as a file."""
    file = io.BytesIO()
    Image.fromarray(specimen.draw(pixels, seed)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def main() -> int:
    """Draw one picture, for as long as the parent lives, whose number is the last argument."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a terminal sends Ctrl-C to all: this one ends without a word
    manners.die_with_the_service()
    pixels, seed, niceness, parent = map(int, sys.argv[1:])
    if os.getppid() != parent:  # it ended before it could be asked to take this process along
        return 1
    manners.give_way(niceness)
    sys.stdout.buffer.write(as_jpeg(pixels, seed))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
