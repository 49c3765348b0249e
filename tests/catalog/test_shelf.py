"""Finding cards and weights: the user's folder first, then what ships."""

import hashlib
import os
from pathlib import Path

import pytest

from bgzero_daemon.catalog import shelf
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import ModelError

from .test_cards import PROMISED, card_text

WEIGHTS = b"not a network, but the shelf never looks inside"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder of models, empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "data" / "bgzero" / "models"
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, name: str, text: str, weights: bytes | None = WEIGHTS) -> Path:
    """Put a card, and weights under the card's file name, into a folder."""
    (folder / f"{name}.toml").write_text(text)
    if weights is not None:
        (folder / "tiny.onnx").write_bytes(weights)
    return folder / "tiny.onnx"


def test_shipped_model_is_found_without_any_folder_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of the box there is one model that works, and cards for all others."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing"))
    model = shelf.installed("u2netp")
    assert model.weights == paths.shipped("models", "u2netp.onnx")
    assert {found.name for found in shelf.models()} >= PROMISED
    assert [found.name for found in shelf.models()] == sorted(found.name for found in shelf.models())
    assert shelf.find("u2net").weights is None


def test_users_folder_is_searched_first(mine: Path) -> None:
    """A card of the user's replaces the shipped one of its name, and so do weights."""
    put(mine, "u2netp", card_text(sha256=SHA256))
    model = shelf.installed("u2netp")
    assert (model.card.title, model.weights) == ("Tiny", mine / "tiny.onnx")
    (mine / "u2netp.toml").unlink()
    (mine / "u2netp.onnx").write_bytes(WEIGHTS)
    assert shelf.find("u2netp").weights == mine / "u2netp.onnx"


def test_users_model_stands_among_the_others(mine: Path) -> None:
    """A new file is a new model."""
    weights = put(mine, "tiny", card_text(sha256=SHA256))
    assert shelf.installed("tiny").weights == weights
    assert "tiny" in {model.name for model in shelf.models()}


def test_downloaded_weights_of_a_shipped_card_are_found(mine: Path) -> None:
    """Dropping the file into the data folder is enough."""
    (mine / shelf.find("u2net").card.file).write_bytes(WEIGHTS)
    assert shelf.installed("u2net").weights == mine / shelf.find("u2net").card.file


@pytest.mark.usefixtures("mine")
def test_weight_file_named_by_its_path_is_known_by_its_hash(tmp_path: Path) -> None:
    """Whatever it is called and wherever it lies."""
    copy = tmp_path / "renamed.onnx"
    copy.write_bytes(paths.shipped("models", "u2netp.onnx").read_bytes())
    model = shelf.find(str(copy))
    assert (model.name, model.weights) == ("u2netp", copy)


@pytest.mark.usefixtures("mine")
def test_weight_file_may_bring_its_own_card(tmp_path: Path) -> None:
    """A card of its name beside it is used, without hashing anything."""
    (tmp_path / "own.onnx").write_bytes(WEIGHTS)
    (tmp_path / "own.toml").write_text(card_text(sha256=SHA256))
    model = shelf.find(str(tmp_path / "own.onnx"))
    assert (model.name, model.card.title, model.weights) == ("own", "Tiny", tmp_path / "own.onnx")


@pytest.mark.usefixtures("mine")
def test_weight_file_in_the_current_folder_and_below_home_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare file name with its suffix is a path, and ~ is the home."""
    (tmp_path / "own.onnx").write_bytes(WEIGHTS)
    (tmp_path / "own.toml").write_text(card_text(sha256=SHA256))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert shelf.find("own.onnx").card.title == "Tiny"
    assert shelf.find("~/own.onnx").weights == tmp_path / "own.onnx"


@pytest.mark.usefixtures("mine")
def test_unknown_model_is_told_with_a_way_on() -> None:
    """A name that has no card."""
    with pytest.raises(ModelError, match="There is no model u3net") as mistake:
        shelf.find("u3net")
    assert "bgzero model list" in mistake.value.hint


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    "wanted", ["/nowhere/x.onnx", "x.onnx", "./u2netp", "/", "~no-such-user-7f3a/x.onnx", "a\0b.onnx"]
)
def test_missing_weight_file_is_told(wanted: str) -> None:
    """A path that leads to no file, of a user who does not exist, or that is no path."""
    with pytest.raises(ModelError, match="There is no weight file"):
        shelf.find(wanted)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_weight_file_in_a_closed_folder_is_told(mine: Path, tmp_path: Path) -> None:
    """What this account may not even look at counts as missing, named by its path or found on the shelf."""
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "own.onnx").write_bytes(WEIGHTS)
    put(mine, "tiny", card_text(sha256=SHA256))
    try:
        closed.chmod(0o000)
        with pytest.raises(ModelError, match="There is no weight file"):
            shelf.find(str(closed / "own.onnx"))
        mine.chmod(0o000)
        assert shelf.installed("u2netp").weights == paths.shipped("models", "u2netp.onnx")
    finally:
        closed.chmod(0o755)
        mine.chmod(0o755)


@pytest.mark.usefixtures("mine")
def test_weight_file_that_no_card_knows_is_told_with_a_way_on(tmp_path: Path) -> None:
    """Nobody guesses how to feed an unknown network."""
    (tmp_path / "odd.onnx").write_bytes(WEIGHTS)
    with pytest.raises(ModelError, match="No model card knows") as mistake:
        shelf.find(str(tmp_path / "odd.onnx"))
    assert "odd.toml" in mistake.value.hint


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", "x" * 5000])
def test_hostile_model_name_is_shown_harmless(name: str) -> None:
    """The sentence goes to a terminal."""
    with pytest.raises(ModelError) as mistake:
        shelf.find(name)
    assert str(mistake.value).isprintable()
    assert len(str(mistake.value)) < 400


def test_missing_weights_are_told_with_hash_and_place(mine: Path) -> None:
    """A card without weights says which file belongs where."""
    with pytest.raises(ModelError, match="weights of u2net are not installed") as mistake:
        shelf.installed("u2net")
    assert shelf.find("u2net").card.sha256[:12] in mistake.value.hint
    assert str(mine / "u2net.onnx") in mistake.value.hint


def test_broken_card_of_the_users_is_told_with_file_and_key(mine: Path) -> None:
    """It is not passed over in favour of the shipped one, and other models still work."""
    put(mine, "u2net", card_text("scale = 255.0", "scale = -1"))
    with pytest.raises(ModelError, match=r"u2net\.toml is wrong at input\.scale"):
        shelf.find("u2net")
    assert shelf.installed("u2netp").name == "u2netp"


def test_folder_in_the_place_of_weights_is_no_weight_file(mine: Path) -> None:
    """Only a file counts."""
    (mine / "u2net.onnx").mkdir()
    assert shelf.find("u2net").weights is None


def test_account_without_a_home_has_the_shipped_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """No data folder is no error."""
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    assert shelf.folders() == [paths.shipped("models")]
    assert shelf.installed("u2netp").name == "u2netp"
