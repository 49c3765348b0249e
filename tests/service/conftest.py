"""What several tests of the service's rooms share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bgzero_daemon.service.container import Structure
from bgzero_daemon.service.structure import examine


@pytest.fixture
def seen(tmp_path: Path) -> Callable[[bytes], Structure]:
    """Examine bytes as a file."""

    def look(content: bytes) -> Structure:
        (tmp_path / "file").write_bytes(content)
        descriptor = os.open(tmp_path / "file", os.O_RDONLY)
        try:
            return examine(descriptor)
        finally:
            os.close(descriptor)

    return look
