"""A real panel without a screen, `make panel`: the icon is known by its pixels, the menu used by mouse and keys."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from bgzero_daemon.tray.icons import State
from tests import tiny
from tests.fault.oracle import tag_of
from tests.flow.test_steer import QUICK
from tests.home import Home, photo, until
from tests.tray.screen import PANEL_PX, Screen, screen, wait_for_state, xfce_session
from tests.tray.test_tray import state, tray

pytestmark = pytest.mark.panel
SHOTS = os.environ.get("BGZERO_SHOTS", "")  # a folder for what was seen


@pytest.fixture
def desk(home: Home, tmp_path: Path) -> Iterator[tuple[Home, Screen]]:
    """An account with a session, a panel in it."""
    with screen(tmp_path) as found, xfce_session(tmp_path, found.name) as bus:
        home.env |= {"DBUS_SESSION_BUS_ADDRESS": bus, "DISPLAY": found.name, "XDG_CURRENT_DESKTOP": "XFCE"}
        (home.root / "state" / "bgzero").mkdir(parents=True)
        (home.root / "state" / "bgzero" / "greeted").touch()
        yield home, found


def keep(shot: Screen, name: str) -> None:
    """Keep what is on the screen for whoever wants to look at it."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        shot.calm().save(Path(SHOTS) / f"{name}.png")


def test_panel_shows_each_state_and_no_other(desk: tuple[Home, Screen]) -> None:
    """Not running, watching, paused, attention, error; the wrong one would fail."""
    home, found = desk
    with tray(home, "--no-start"):
        wait_for_state(found, State.OFFLINE)
        keep(found, "offline")
        with home.daemon(**QUICK):
            wait_for_state(found, State.WATCHING)
            keep(found, "watching")
            home.bgzero("pause")
            wait_for_state(found, State.PAUSED)
            keep(found, "paused")
            home.bgzero("resume")
            (home.inbox / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo at all" * 20)
            wait_for_state(found, State.ATTENTION)
            keep(found, "attention")
            home.outbox.rename(home.root / "gone")
            photo(home.inbox / "good.jpg")
            wait_for_state(found, State.ERROR)
            keep(found, "error")


def test_menu_is_opened_by_mouse_and_a_model_chosen_by_keys(desk: tuple[Home, Screen]) -> None:
    """What was chosen is looked up in the state and in the next cut-out."""
    home, found = desk
    tiny.install(home.models, "another")
    card = home.models / "another.toml"
    card.write_text(card.read_text().replace('title = "Bright is subject"', 'title = "Another one"\nrank = 1'))
    with home.daemon(**QUICK) as daemon, tray(home, "--no-start"):
        photo(home.inbox / "first.jpg")
        daemon.wait_for("first.png")
        x, y = wait_for_state(found, State.WATCHING)
        found.open_menu(x, y)
        keep(found, "menu")
        # Pause, Pause for an hour, Model; then its first two lines: automatic, and the model of the best rank
        found.press("Down", "Down", "Down", "Right", "Down")
        keep(found, "models")
        found.press("Return")
        until(lambda: state(home).get("model", {}).get("value") == "another", lambda: str(state(home)))  # type: ignore[attr-defined]
        photo(home.inbox / "second.jpg", seed=1)
        daemon.wait_for("second.png")
        assert tag_of(home.outbox / "second.png")["model"] == "another"
        time.sleep(1.0)
        x, y = wait_for_state(found, State.WATCHING)
        found.open_menu(x, y)
        found.press("Down")
        found.press("Return")
        until(lambda: "paused" in state(home), "paused by keys")
        wait_for_state(found, State.PAUSED)


def test_menu_of_the_models_that_ship_is_whole_on_the_screen(desk: tuple[Home, Screen]) -> None:
    """Real cards and the real network; the picture in the README is made of it."""
    home, found = desk
    shutil.rmtree(home.models)
    del home.env["BGZERO_MODEL__NAME"]
    for number in range(3):
        photo(home.inbox / f"IMG_{2041 + number}.jpg", seed=number)
    found.paint(0x3A5A72)
    with home.daemon(**QUICK) as daemon, tray(home, "--no-start"):
        daemon.wait_for(*(f"IMG_{2041 + number}.png" for number in range(3)))
        x, y = wait_for_state(found, State.WATCHING)
        before = found.open_menu(x, y)
        found.press("Down", "Down", "Down", "Right", "Down")
        seen = found.calm()
        before.paste(seen.crop((0, 0, seen.width, PANEL_PX)))  # the icon under the pointer looks pressed
        left, top, right, bottom = ImageChops.difference(before, seen).getbbox() or (0, 0, 0, 0)
        assert 0 <= left < x < right < seen.width
        assert PANEL_PX - 2 <= top < bottom < seen.height
        assert right - left > 400, "the models beside the menu"
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            shown = seen.crop((0, 0, right + 12, bottom + 12)).quantize(48, dither=Image.Dither.NONE)
            shown.save(Path(SHOTS) / "tray.png", optimize=True)
