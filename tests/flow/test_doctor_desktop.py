"""`bgzero doctor` on a desktop: a real session bus, and programs that take names on it."""

import shutil
from collections.abc import Iterator

import pytest

from tests.flow.doctoring import NOTE, OK, SKIPPED, Patient, desktop_program, session_bus, worst
from tests.home import Home

pytestmark = pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="NO dbus-daemon HERE")
WATCHER, SERVER = "org.kde.StatusNotifierWatcher", "org.freedesktop.Notifications"


@pytest.fixture
def patient(home: Home) -> Iterator[Patient]:
    """An account with a desktop on which nobody shows anything yet."""
    patient = Patient(home)
    with session_bus(patient):
        patient.healthy |= {"tray": OK, "notifications": OK}
        yield patient


def test_panel_that_is_missing_is_started(patient: Patient) -> None:
    """Nobody shows icons; the desktop's own panel does, once it runs."""
    desktop_program(patient, "dunst", SERVER, started=True)
    desktop_program(patient, "xfce4-panel", WATCHER, started=False)
    (said,) = patient.prove("tray", NOTE)
    assert said["remedy"] == "xfce4-panel >/dev/null 2>&1 &"


def test_notification_server_that_is_missing_is_started(patient: Patient) -> None:
    """And is named once it runs."""
    desktop_program(patient, "xfce4-panel", WATCHER, started=True)
    desktop_program(patient, "dunst", SERVER, started=False)
    (said,) = patient.prove("notifications", NOTE)
    assert said["remedy"] == "dunst >/dev/null 2>&1 &"
    assert "Stand-in shows" in patient.look("notifications")["notifications"][0]["sentence"]


def test_gnome_is_told_of_its_extension(patient: Patient) -> None:
    """GNOME has no tray of its own."""
    patient.home.env["XDG_CURRENT_DESKTOP"] = "ubuntu:GNOME"
    (said,) = patient.look("tray")["tray"]
    assert said["verdict"] == NOTE
    assert "gnome-extensions enable" in said["remedy"]


def test_bus_that_is_not_there_is_a_note(patient: Patient) -> None:
    """Neither icon nor notification: said once."""
    patient.home.env["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={patient.home.root}/nothing"
    found = patient.look("tray", "notifications")
    assert (worst(found["tray"]), worst(found["notifications"])) == (NOTE, SKIPPED)
    assert "does not answer" in found["tray"][0]["sentence"]


def test_bus_on_a_network_is_never_called(patient: Patient) -> None:
    """An address that is no local socket is none."""
    patient.home.env["DBUS_SESSION_BUS_ADDRESS"] = "tcp:host=127.0.0.1,port=9"
    (said,) = patient.look("tray")["tray"]
    assert said["sentence"] == "There is no session bus."
