"""What was chosen while the daemon ran, kept beside the configuration."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.settings import state as states
from bgzero_daemon.settings.load import Loaded
from bgzero_daemon.settings.schema import Config, Model
from bgzero_daemon.settings.state import Choice, ProviderChoice, Span, State

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(
    paused=st.none() | st.builds(Span, began=st.floats(0, 1e10), seconds=st.floats(0, 1e9)),
    model=st.none() | st.builds(Choice, value=TEXT, over=TEXT),
)
def test_state_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, paused: Span | None, model: Choice | None
) -> None:
    """Whatever the model is called."""
    file = tmp_path_factory.getbasetemp() / "state.toml"
    state = State(paused=paused, model=model)
    states.write(file, state)
    assert states.read(file) == state
    assert file.stat().st_mode & 0o777 == 0o600
    assert "version" in tomllib.loads(file.read_text())


def test_state_that_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    """Nothing half-written in its place, and nothing beside it."""
    file = tmp_path / "state.toml"
    states.write(file, State(paused=Span(began=1.0)))
    beside = tmp_path / f".state.toml.{__import__('os').getpid()}"
    beside.mkdir()
    with pytest.raises(OSError, match="directory"):
        states.write(file, State())
    beside.rmdir()
    assert states.read(file).paused
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.toml"]


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "version = 2\n",
        "paused = 3\n",
        "[model]\nvalue = 1\n",
        "\0",
        "[colour]\n",
        '[provider]\nvalue = "gpu"\nover = "auto"\n',
    ],
)
def test_state_that_makes_no_sense_is_set_aside_and_said(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged file, or one of a newer version, is kept under another name; choices begin anew."""
    file = tmp_path / "state.toml"
    file.write_text(text)
    assert states.read(file) == State()
    assert "set aside as" in caplog.text
    assert ("newer version" in caplog.text) == ("version = 2" in text)
    (kept,) = tmp_path.iterdir()
    assert kept.read_text() == text
    assert kept.name.startswith("state.toml.aside-")


def test_pause_that_was_meant_to_last_an_hour_lasts_no_longer(tmp_path: Path) -> None:
    """Whatever the clock does meanwhile: set back, it counts from the beginning."""
    span = Span(began=1000.0, seconds=3600.0)
    assert span.left(1600.0) == 3000.0
    assert span.left(1000.0 + 9e6) == 0.0
    assert span.left(1.0) == 3600.0
    assert Span(began=1000.0).left(1e9) is None


def loaded(name: str, origin: str = "file:3") -> Loaded:
    """A configuration with this model."""
    return Loaded(Config(model=Model(name=name)), None, {"model.name": origin} if origin else {})


def test_choice_lies_over_the_configuration_until_that_says_something_else() -> None:
    """Its origin is shown; an edited configuration and a flag are later words."""
    state = State(model=Choice(value="mine", over="theirs"), provider=ProviderChoice(value="cpu", over="auto"))
    over = state.laid_over(loaded("theirs"))
    assert (over.config.model.name, over.config.model.provider) == ("mine", "cpu")
    assert over.origins == {"model.name": "state", "model.provider": "state"}
    assert state.laid_over(loaded("another")).config.model.name == "another"
    assert state.laid_over(loaded("another")).origins["model.name"] == "file:3"
    assert state.laid_over(loaded("theirs", "--model")).config.model.name == "theirs"
    assert State().laid_over(plain := loaded("theirs")) is plain
