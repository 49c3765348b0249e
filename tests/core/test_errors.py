"""Every error fits where it is shown."""

import pytest

from bgzero_daemon.core import errors
from bgzero_daemon.core.errors import BgzeroError, Exit, PhotoRefused, PhotoSkipped
from bgzero_daemon.core.texts import _, n_

CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, BgzeroError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_title_fits_a_notification_bubble(kind: type[BgzeroError]) -> None:
    """At most 40 characters, one line, no full stop."""
    assert 0 < len(kind.title) <= 40
    assert kind.title.isprintable()
    assert not kind.title.endswith(".")


@pytest.mark.parametrize("kind", CLASSES)
def test_error_carries_sentence_hint_and_exit_code(kind: type[BgzeroError]) -> None:
    """The sentence is the error's text; a hint may be missing."""
    error = kind("It broke.", hint="Mend it.")
    assert (str(error), error.hint) == ("It broke.", "Mend it.")
    assert kind("It broke.").hint == ""
    assert error.exit_code in Exit
    assert error.exit_code is not Exit.OK


def test_exit_codes_are_those_that_were_decided() -> None:
    """Scripts and units depend on the numbers."""
    decided = {
        "OK": 0,
        "FAILURE": 1,
        "USAGE": 2,
        "NO_DAEMON": 3,
        "SOME_FAILED": 4,
        "ALREADY_RUNNING": 75,
        "BAD_CONFIG": 78,
    }
    assert {code.name: code.value for code in Exit} == decided


def test_skipped_photo_is_refused_for_good() -> None:
    """Neither a refusal nor a skip is tried again with the same bytes."""
    assert issubclass(PhotoSkipped, PhotoRefused)
    assert not PhotoRefused.retry
    assert not PhotoSkipped.retry


def test_sentences_pass_through_untranslated() -> None:
    """Without a catalogue English comes back, with the right form for a number."""
    assert _("One photo.") == "One photo."
    assert n_("{count} photo", "{count} photos", 1) == "1 photo"
    assert n_("{count} photo", "{count} photos", 5) == "5 photos"
