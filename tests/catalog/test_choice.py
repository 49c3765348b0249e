"""Which model "auto" means, which better one could be had, and whose licence a word was given for."""

from pathlib import Path

import pytest

from bgzero_daemon.catalog import choice, licences, shelf
from bgzero_daemon.core.errors import ModelError
from tests import tiny

GB = 1_000_000_000
SOURCE = '[[source]]\nurl = "https://example.org/x.onnx"\n'


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder of models, and a state without a word."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "data" / "bgzero" / "models"
    folder.mkdir(parents=True)
    return folder


def put(
    folder: Path, name: str, head: str = "", *, commercial: str = "yes", source: str = SOURCE, is_here: bool = False
) -> None:
    """Put a card on the shelf, whose weights have a hash of their own."""
    digits = name.encode().hex().ljust(64, "0")[:64]
    text = tiny.CARD.format(name=name, size=1, sha256=digits, side=320, fit="stretch")
    text = text.replace('commercial = "yes"', f'commercial = "{commercial}"')
    (folder / f"{name}.toml").write_text(f"{head}\n{text}".replace("[input]", f"{source}[input]"))
    if is_here:
        (folder / f"{name}.onnx").write_bytes(b"x")


def better(than: str) -> str:
    """The name of what is better than a model on a machine with 1 GB and no GPU, "" for none."""
    found = choice.better(shelf.find(than), GB, on_cpu=True)
    return found.name if found else ""


def test_better_one_is_free_fits_and_can_be_fetched(mine: Path) -> None:
    """Whatever one of these is missing, it is not suggested."""
    assert better("u2netp") == "u2net"
    put(mine, "good", "rank = 1\ntold_peak_mb = 900")
    assert better("u2netp") == "good"
    for head, commercial, source in (
        ("rank = 1\ntold_peak_mb = 1100", "yes", SOURCE),
        ("rank = 1\npeak_mb = 1100\ntold_peak_mb = 10", "yes", SOURCE),
        ("rank = 1\nwants_gpu = true", "yes", SOURCE),
        ("rank = 1", "unclear", SOURCE),
        ("rank = 1", "yes", ""),
        ("", "yes", SOURCE),
    ):
        put(mine, "good", head, commercial=commercial, source=source)
        assert better("u2netp") == "u2net", head
    put(mine, "good", "rank = 1", is_here=True)
    assert better("good") == "", "nothing that is worse is suggested"


def test_auto_never_means_a_model_that_nobody_ranked_or_that_is_not_free(mine: Path) -> None:
    """Not even where there is no other."""
    assert choice.best(GB).name == "u2netp"
    put(mine, "own", is_here=True)
    put(mine, "unfree", "rank = 1", commercial="no", is_here=True)
    with pytest.raises(ModelError, match="no model that can be used"):
        choice.best(1_000_000)


def test_word_is_for_these_weights_under_this_licence(mine: Path) -> None:
    """Not for others of the same licence, and not for the same under another."""
    put(mine, "one", commercial="no", is_here=True)
    put(mine, "two", commercial="no", is_here=True)
    licences.accept(shelf.find("one"))
    assert choice.usable("one").name == "one"
    with pytest.raises(licences.NotAccepted):
        choice.usable("two")
    card = mine / "one.toml"
    card.write_text(card.read_text().replace("AGPL-3.0-or-later", "another"))
    with pytest.raises(licences.NotAccepted):
        choice.usable("one")
