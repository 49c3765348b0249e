"""libvips in the sandbox: it begins only there, decodes what it is given, and opens nothing else."""

from pathlib import Path

import pytest

from .test_sandbox import run_closed

pytest.importorskip("pyvips", reason="NO PYVIPS ON THIS MACHINE: THE EXTRA deep IS NOT TESTED")

CODE = """
import sys
import numpy as np
from bgzero_daemon.core.recipe import Depth
from bgzero_daemon.photo import deep
from bgzero_daemon.photo.decode import decode
content = bytes.fromhex({content!r})
assert "pyvips" not in sys.modules
photo = decode(content, max_pixels=1000, depth=Depth.AUTO)
print(photo.depth, photo.samples.sum())
import pyvips
pyvips.operation_block_set("VipsForeignLoad", False)  # what a decoder that was taken over would do
for load, more in (("tiffload", ()), ("rawload", (1, 1, 1))):
    try:
        getattr(pyvips.Image, load)({secret!r}, *more)
        print("opened")
    except pyvips.Error as error:
        print("refused" if "unable to open" in str(error) or "ermission" in str(error) else error)
"""


def test_libvips_begins_in_the_sandbox_and_opens_no_file(tmp_path: Path) -> None:
    """A photo cannot make it read another one, even where its own list of loaders is undone."""
    from tests.photo.handmade import deep_tiff
    from tests.photo.test_deep_files import ramp

    content = deep_tiff(ramp()[:4, :5])
    secret = tmp_path / "secret.tif"
    secret.write_bytes(content)
    done = run_closed(CODE.format(content=content.hex(), secret=str(secret)))
    wanted = int(ramp()[:4, :5].sum()) + 20 * 65535
    assert done.stdout.splitlines() == ["closed", f"16 {wanted}", "refused", "refused"], done.stderr
