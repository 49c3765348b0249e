"""What a folder's photos are cut by: its own keys, and those of the whole configuration where it has none."""

import pytest

from bgzero_daemon.service.house import _recipe
from bgzero_daemon.settings.schema import Config


@pytest.mark.parametrize(
    ("key", "own", "general"),
    [
        ("metadata", "none", "keep"), ("png", "small", "fast"), ("edges", "off", "best"),
        ("no_subject", "publish", "skip"), ("no_subject", "skip", "publish"),
        ("check", "review", "publish"), ("check", "publish", "review"),
    ],
)  # fmt: skip
def test_folders_own_key_comes_before_that_of_output(key: str, own: str, general: str) -> None:
    """Of two folders one has the key, the other has what [output] says."""
    folders = [{"inbox": "/a", "outbox": "/b", key: own}, {"inbox": "/c", "outbox": "/d"}]
    config = Config.model_validate({"folder": folders, "output": {key: general}})
    assert [getattr(_recipe(folder, config, ""), key) for folder in config.folder] == [own, general]


def test_second_model_is_another_one_than_a_folders() -> None:
    """Each folder is cut by its own model; the one that is the second model itself has no second try."""
    folders = [{"inbox": "/a", "outbox": "/b", "model": "best"}, {"inbox": "/c", "outbox": "/d"}]
    config = Config.model_validate({"folder": folders, "model": {"name": "fast"}})
    recipes = [_recipe(folder, config, "best") for folder in config.folder]
    assert [(recipe.model, recipe.second) for recipe in recipes] == [("best", ""), ("fast", "best")]
