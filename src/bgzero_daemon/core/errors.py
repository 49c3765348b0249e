"""Everything that can go wrong, as sentences a person can act on.

An error says what happened in one sentence (`str(error)`), what to do about it (`hint`), and fits a
notification bubble (`title`, at most 40 characters). Foreign exceptions are translated into these by
the adapter that met them.
"""

from enum import IntEnum, StrEnum

from bgzero_daemon.core.texts import _


class Exit(IntEnum):
    """Exit codes of `bgzero`; 75 and 78 are those of sysexits.h."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NO_DAEMON = 3
    SOME_FAILED = 4
    ALREADY_RUNNING = 75
    BAD_CONFIG = 78


class Code(StrEnum):
    """Why a photo was not cut, in one word for programs."""

    DAMAGED = "damaged"
    WRONG_CONTENT = "wrong-content"
    TOO_LARGE = "too-large"
    CRASHED = "crashed"
    TOO_SLOW = "too-slow"
    TOO_HEAVY = "too-heavy"
    NO_MASK = "no-mask"
    UNREADABLE = "unreadable"
    LATER_KIND = "later-kind"
    NOT_A_PHOTO = "not-a-photo"
    EXISTED = "existed"
    DISMISSED = "dismissed"
    NO_SUBJECT = "no-subject"
    COVERED = "covered"


class BgzeroError(Exception):
    """Anything this program expects to go wrong."""

    title = _("Something went wrong")
    exit_code = Exit.FAILURE
    retry = False

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


class UsageError(BgzeroError):
    """The command line asks for something that makes no sense."""

    title = _("Wrong usage")
    exit_code = Exit.USAGE


class ConfigError(BgzeroError):
    """The configuration cannot be used as it is."""

    title = _("The configuration has a mistake")
    exit_code = Exit.BAD_CONFIG


class NoDaemon(BgzeroError):
    """A command found nobody to talk to."""

    title = _("No daemon is running")
    exit_code = Exit.NO_DAEMON


class AlreadyRunning(BgzeroError):
    """Another daemon watches this inbox."""

    title = _("Already running")
    exit_code = Exit.ALREADY_RUNNING


class ModelError(BgzeroError):
    """A model card or its weights cannot be used."""

    title = _("The model cannot be used")


class OutputError(BgzeroError):
    """An output could not be written. The photo is fine; trying again later makes sense."""

    title = _("Cannot write the cut-out")
    retry = True


class NameTaken(OutputError):
    """Every name that this photo's output may have belongs to somebody else. Others are not concerned."""

    title = _("Every name is taken")


class CardError(BgzeroError):
    """A card or folder to import from cannot be read."""

    title = _("The card cannot be read")


class InboxError(BgzeroError):
    """A photo cannot be brought into an inbox at present; the card is as it was, and another import goes on."""

    title = _("Cannot write into the inbox")
    retry = True


class MemoryTrouble(BgzeroError):
    """What was imported cannot be remembered, so nothing is imported."""

    title = _("Imports cannot be remembered")
    retry = True


class LedgerError(BgzeroError):
    """The ledger cannot be read or written at present; what it holds is not lost."""

    title = _("The ledger cannot be used")
    retry = True


class LedgerTooNew(LedgerError):
    """A newer version wrote the ledger; it is left alone."""

    title = _("The ledger is of a newer version")


class PhotoRefused(BgzeroError):
    """This photo cannot be cut, and trying the same bytes again would not help.

    `code` is one word for programs (see `Code`); `sha256` is the hash of the bytes that were judged, ""
    where none were read.
    """

    title = _("This photo cannot be cut")

    def __init__(self, sentence: str, *, hint: str = "", code: str = Code.DAMAGED, sha256: str = "") -> None:
        super().__init__(sentence, hint=hint)
        self.code, self.sha256 = code, sha256


class PhotoSkipped(PhotoRefused):
    """Not a failure: a kind of file that this installation does not cut."""

    title = _("Skipped")


class PhotoDelayed(BgzeroError):
    """This photo cannot be cut at present, and others may well be: it is tried again after a while."""

    title = _("Tried again later")
    retry = True


class PhotoCrashed(BgzeroError):
    """The worker died, or had to be killed, while it had this photo in hand: one strike against the photo.

    `code` tells whether it crashed, took too long or grew too large.
    """

    title = _("The worker crashed on this photo")
    retry = True

    def __init__(self, sentence: str, *, hint: str = "", code: str = Code.CRASHED) -> None:
        super().__init__(sentence, hint=hint)
        self.code = code


class WorkforceLost(BgzeroError):
    """The worker went away for a reason that has nothing to do with the photo: no strike, and no delay.

    The workforce itself says when it is worth another try, by having places.
    """

    title = _("The worker went away")
    retry = True
