"""What a change of the configuration has to start anew."""

from pathlib import Path

import pytest

from bgzero_daemon.service.change import Change, differing_keys
from bgzero_daemon.settings.load import Loaded
from bgzero_daemon.settings.schema import Config
from bgzero_daemon.settings.state import State


def change(**folder: str) -> Change:
    """Return a change of these keys of the one folder."""
    former = {"inbox": "/in", "outbox": "/out"}
    one, other = (
        Loaded(Config.model_validate({"folder": [keys]}), Path("config.toml")) for keys in (former, former | folder)
    )
    made = Change(one, other, State(), other, 0.0, lambda: None)
    made.keys = differing_keys(one.config, other.config)
    return made


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metadata", "none"),
        ("png", "small"),
        ("edges", "off"),
        ("depth", "16"),
        ("no_subject", "publish"),
        ("check", "review"),
    ],
)
def test_another_recipe_of_a_folder_starts_nothing_anew(key: str, value: str) -> None:
    """Its next photo is cut by it; inboxes are not scanned, and no model is loaded."""
    made = change(**{key: value})
    assert made.keys == [f"folder.0.{key}"]
    assert not made.needs_workshop
    assert not made.needs_workers


def test_another_outbox_of_a_folder_needs_a_workshop_and_no_workers() -> None:
    """Where things are is no recipe."""
    assert change(outbox="/elsewhere").needs_workshop
    assert not change(outbox="/elsewhere").needs_workers


def test_another_second_model_starts_nothing_anew() -> None:
    """It is looked for at every change; no worker has to know it before a photo wants it."""
    made = change()
    one, other = (Config.model_validate({"model": {"second_model": name}}) for name in ("", "u2netp"))
    made.keys = differing_keys(one, other)
    assert made.keys == ["model.second_model"]
    assert not made.needs_workshop
    assert not made.needs_workers
