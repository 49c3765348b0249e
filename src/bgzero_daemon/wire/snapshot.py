"""Everything the daemon knows about itself at one moment. Standard library only.

Tray, commands, the service manager's status line and `status.json` all show this one value. Names of
files travel as `core.names.display` shows them, and beside it as `core.names.to_wire` writes them where
somebody may want to open the file. Moments are Unix time in seconds.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TypeVar

from bgzero_daemon.core.texts import _

SCHEMA = 1  # raised when a key changes its meaning or goes; new keys may come at any time

# What `Snapshot.state` may say, the most urgent first.
STATES = ("stopping", "trouble", "paused", "switching", "working", "watching")


@dataclass(frozen=True, slots=True)
class Choice:
    """A value in force and where it comes from: "default", "file:LINE", a variable, a flag, or "state"."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Folder:
    """An inbox and its outbox. `model` is the one that its next photo is cut with.

    `trouble` has a sentence for each thing that is wrong; `free_bytes` is what the outbox's file system had
    left when it was looked at last, None before.
    """

    inbox: str
    outbox: str
    inbox_path: str
    outbox_path: str
    model: str
    has_own_model: bool
    arriving: int
    free_bytes: int | None
    trouble: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AtWork:
    """A photo on its way, `photo` below its inbox and `path` in full.

    `step` is opening, waiting (for a worker), reading, cutting or publishing.
    """

    job: str
    photo: str
    path: str
    model: str
    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker process. `sandbox` is what it measured; `provider` is the one that runs, "" while it loads.

    `steps` maps the jobs it holds to what it does with each. `on_trial`: it is to prove a model before any
    photo. `network_seconds` is what one run of the network took at its start. `prepared`: it runs a graph that
    `bgzero model prepare` has made of the model's weights.
    """

    pid: int
    model: str
    provider: str
    note: str
    sandbox: str
    photos: int
    verified: bool
    memory_mb: int
    steps: Mapping[str, str]
    on_trial: bool
    network_seconds: float
    prepared: bool = False  # a daemon that has not been restarted since an update does not say it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided about a photo. `confidence` is a word of `core.confidence`, `look` says it to people."""

    photo: str
    path: str
    state: str
    sentence: str
    cutout: str
    cutout_path: str
    model: str
    decided_at: float
    confidence: str = ""  # as above, and so is `look`
    look: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """Which execution provider was asked for, which one ran last ("": none yet), and why they differ."""

    asked: str
    origin: str
    ran: str
    why: str


@dataclass(frozen=True, slots=True)
class Card:
    """A camera's card that was put in, `path` where it is mounted. `new` is how many photos of it were not imported.

    `state` is new (nobody has said what is to be done), declined, importing, imported or failed; `sentence` says what
    came of it, "" before.
    """

    name: str
    path: str
    state: str
    new: int
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many photos ended how."""

    done: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The daemon at `taken_at`. `state` is one of `STATES`, `why` says in a sentence what that means now.

    `done`, `failed` and `skipped` count all photos that the ledger knows; `finishing` are cut-outs that are
    safe and whose originals are not yet seen to. `paused_until` and `quiet_until` are 0 where no end is set.
    `config_error` says why the configuration file as it is now is not in force, `needs_restart` names keys that
    take effect at the next start. `sandbox` is the weakest of the workers', "" while none runs. `wanting_look` counts
    cut-outs that want a look and have had none, `no_subject` the skipped photos in which nothing was found, `covered`
    files in whose place another one of their shot is cut, which are none of those that were skipped.
    """

    version: str
    pid: int
    started_at: float
    taken_at: float
    state: str
    why: str
    paused: bool
    paused_until: float
    notifications: bool
    quiet_until: float
    model: Choice
    switching_to: str
    provider: Provider
    waiting: int
    running: int
    arriving: int
    finishing: int
    done: int
    failed: int
    skipped: int
    today: Counts
    seconds_left: float | None
    photos_per_minute: float | None
    at_work: tuple[AtWork, ...]
    latest: tuple[Outcome, ...]
    folders: tuple[Folder, ...]
    workers: tuple[WorkerState, ...]
    sandbox: str
    memory_mb: int
    trouble: str
    config_file: str
    config_error: str
    needs_restart: tuple[str, ...]
    schema: int = field(default=SCHEMA)
    wanting_look: int = 0  # a daemon that has not been restarted since an update does not say these
    no_subject: int = 0
    covered: int = 0
    cards: tuple[Card, ...] = ()

    def told(self) -> dict[str, object]:
        """Return it as what JSON takes."""
        return asdict(self)

    def without_time(self) -> "tuple[object, ...]":
        """Return what has to differ for it to be worth telling again: time, memory and durations alone are not."""
        steps = [(one.job, one.step) for one in self.at_work]
        workers = [(one.pid, one.provider, one.note, one.sandbox, one.photos) for one in self.workers]
        return (
            self.state, self.why, self.paused, self.paused_until, self.notifications, self.quiet_until, self.model,
            self.switching_to, self.provider, self.waiting, self.running, self.arriving, self.finishing, self.done,
            self.failed, self.skipped, self.covered, self.wanting_look, self.latest, steps, workers, self.trouble,
            self.config_error, self.needs_restart, self.cards, [(one.trouble, one.model) for one in self.folders],
        )  # fmt: skip

    @property
    def line(self) -> str:
        """Return it in one line, as service managers show it."""
        counts = _("{waiting} waiting, {done} done, {failed} failed").format(
            waiting=self.waiting, done=self.done, failed=self.failed
        )
        return f"{counts}; {self.why}" if self.why else counts


_Part = TypeVar("_Part")


def _made(cls: type[_Part], told: object) -> _Part:
    """Make a part out of an object, without keys that this version does not know."""
    if not isinstance(told, Mapping):
        raise TypeError(f"{cls.__name__} is an object")
    known = {one.name for one in fields(cls)}  # type: ignore[arg-type]  # every part is a dataclass
    values = {str(key): tuple(value) if isinstance(value, list) else value for key, value in told.items()}
    return cls(**{key: value for key, value in values.items() if key in known})


def read(told: Mapping[str, object]) -> Snapshot:
    """Read a Snapshot as `told` gave it. Keys of a newer version are passed over; ValueError where some are missing."""
    try:
        values = dict(told)
        if values["schema"] != SCHEMA:
            raise ValueError(f"a snapshot of schema {values['schema']}")
        for name, cls in (("model", Choice), ("provider", Provider), ("today", Counts)):
            values[name] = _made(cls, values[name])
        for name, part in (("at_work", AtWork), ("latest", Outcome), ("folders", Folder), ("workers", WorkerState)):
            values[name] = tuple(_made(part, one) for one in values[name])  # type: ignore[attr-defined]
        values["cards"] = tuple(_made(Card, one) for one in values.get("cards", ()))  # type: ignore[attr-defined]
        return _made(Snapshot, values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a snapshot: {error}") from error
