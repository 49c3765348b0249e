"""What every test may ask for."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests import tiny
from tests.home import SHARED, Home

settings.register_profile("patient", deadline=None)  # a busy machine is no mistake of the code's
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let `-k F01` choose the tests of a fault."""
    for item in items:
        for mark in item.iter_markers("fault"):
            item.extra_keyword_matches.update(mark.args)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A fresh account with the tiny network installed."""
    account = Home(tmp_path)
    tiny.install(account.models)
    return account


@pytest.fixture
def shared() -> Path:
    """The real photos beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no real photos beside this checkout (../shared)")
    return SHARED
