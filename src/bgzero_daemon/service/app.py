"""The composition root of `bgzero run`: builds the service from a configuration and keeps it going.

The main thread owns the scheduler. Inboxes, outboxes, workers and the control socket have threads of
their own, which leave a message and wake it.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import BgzeroError, ConfigError, Exit, ModelError, WorkforceLost
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import chosen, existing
from bgzero_daemon.service.bell import Alarm
from bgzero_daemon.service.board import Board
from bgzero_daemon.service.change import Change, models_of
from bgzero_daemon.service.control import ControlServer
from bgzero_daemon.service.decisions import Tally
from bgzero_daemon.service.helm import Helm
from bgzero_daemon.service.house import House
from bgzero_daemon.service.lookout import Lookout
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.portrait import Portrait, Steering
from bgzero_daemon.service.shelves import Shelves
from bgzero_daemon.service.sight import ignore_lease_breaks
from bgzero_daemon.service.slots import Slots
from bgzero_daemon.service.supervise import Supervisor
from bgzero_daemon.service.window import Window
from bgzero_daemon.service.workshop import Workshop
from bgzero_daemon.settings import state as states
from bgzero_daemon.settings.load import Loaded
from bgzero_daemon.settings.schema import Config, Log
from bgzero_daemon.settings.state import State
from bgzero_daemon.wire.control import SOCKET, STATUS

log = logging.getLogger(__name__)

_STOP_SECONDS = 30.0
_TROUBLE_SECONDS = 5.0
_SAY_AGAIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Source:
    """The configuration as it was read, where its file is or would be, how it is read anew, and who wants to hear of
    its [log].
    """

    loaded: Loaded
    file: Path | None
    reload: Callable[[], Loaded]
    on_log: Callable[[Log], None] = lambda _wanted: None


def _workforce(config: Config, on_change: Callable[[], None]) -> LocalWorkforce:
    """Make the workforce. Raises ConfigError for a model that needs more memory than it may have."""
    try:
        return LocalWorkforce(config, models_of(config), on_change=on_change, nice=config.worker.nice)
    except ModelError as error:
        raise ConfigError(str(error), hint=error.hint) from error


def _usable(state: State, loaded: Loaded) -> State:
    """Return the state without a choice of a model that is not there any more, which the log says."""
    try:
        models_of(chosen.resolved(state.laid_over(loaded)).config)
    except ConfigError as error:
        if state.model:
            log.warning(_("The model that was chosen cannot be used, the configured one is: %s"), error)
            return state.model_copy(update={"model": None})
    return state


class Service:
    """The watched folders of one configuration, from a photo's arrival to its cut-out."""

    def __init__(self, source: Source, *, once: bool, ask: existing.Ask | None = None) -> None:
        """Take the locks and open the ledger. Raises BgzeroError where the service cannot start."""
        self._source, self._once, self._ask = source, once, ask
        loaded = source.loaded
        self._wake = Alarm()
        self._stops = 0
        self._said, self._said_at, self._trouble = "", 0.0, ""
        self._is_open = False
        self._known: frozenset[Path] = frozenset()
        self._second: Model | BgzeroError | None = None
        self._wants_reload = False
        self._house = House(loaded.config)
        file = self._house.state / states.FILE if self._house.state and not once else None
        state = _usable(states.read(file) if file else states.read_chosen(), loaded)
        in_force = chosen.resolved(state.laid_over(loaded))  # once: what "auto" means may change any moment
        config = in_force.config
        self._house.cook_by(config)
        self._workforce = _workforce(config, self._wake.set)
        self._workshop = self._new_workshop(config)
        self._helm = Helm(
            loaded, in_force, state, file, self._workforce,
            reload=self._read, take_over=self._take_over, wake=self._wake.set,
        )  # fmt: skip
        self._supervisor = Supervisor()
        self._slots = Slots(self._wake.set)
        runtime = None if once else self._house.runtime()
        portrait, shown = Portrait(self._workforce, self._slots.told), runtime / STATUS if runtime else None
        self._window = Window(Board(), portrait, self._supervisor, shown)
        self._control = ControlServer(runtime / SOCKET if runtime else None, self._wake.set, self._window.board)
        self._shelves = Shelves()
        self._lookout = Lookout(source.file, self._on_new_configuration)

    def _new_workshop(self, config: Config) -> Workshop:
        return Workshop(config, self._house, self._workforce, self._wake.set, once=self._once)

    def run(self) -> Tally:
        """Work until told to stop, or with `once` until everything that was there is decided."""
        ignore_lease_breaks()
        second = chosen.second_model(self._workshop.config)
        # before the signals are ours: whoever is asked may answer with Ctrl-C
        self._workshop.catch_up(self._ask, second)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        # who closes the terminal that it was started in means its end; anybody else a new configuration
        is_typed = self._once or os.isatty(0)
        signal.signal(signal.SIGHUP, self._on_signal if is_typed else self._on_hangup)
        try:
            if not self._once:
                self._control.start()
                self._window.is_public = self._helm.keeps = self._control.is_answering
            self._workshop.open()
            self._is_open = True
            if not self._once:
                self._lookout.start()
                self._slots.start(self._workshop.config)
            self._supervisor.ready()
            while not self._is_over():
                self._turn_safely()
            self._supervisor.stopping()
            self._finish()
            if self._once and self._workshop.is_given_up:
                raise WorkforceLost(self._workforce.trouble, hint=_("The photos for it still wait."))
        finally:
            self._close()
        return self._workshop.scheduler.tally

    def _read(self) -> Loaded:
        """Read the configuration anew. Raises ConfigError."""
        self._lookout.note_reading()
        return self._source.reload()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1
        self._wake.set()

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        self._on_new_configuration()

    def _on_new_configuration(self) -> None:
        """From any thread, or a signal's."""
        self._wants_reload = True
        self._wake.set()

    def _is_over(self) -> bool:
        return self._stops > 0 or (self._once and (self._workshop.is_at_rest or self._workshop.is_given_up))

    def _turn_safely(self) -> None:
        """A file system or a ledger in trouble costs time, never the daemon: say so once and go on."""
        self._supervisor.beat(time.monotonic(), self._workforce.prove_life)
        try:
            self._turn()
        except (BgzeroError, OSError) as error:
            if self._once:
                raise
            self._trouble = str(error)
            if str(error) != self._said or time.monotonic() > self._said_at + _SAY_AGAIN_SECONDS:
                self._said, self._said_at = str(error), time.monotonic()
                log.error("%s", error)  # noqa: TRY400 - a sentence for a person
            self._sit_out()
        except Exception as error:
            if self._once:
                raise
            log.exception("a turn is given up")
            self._trouble = f"{type(error).__name__}: {error}"
            self._sit_out()
        else:
            self._trouble = ""

    def _sit_out(self) -> None:
        """Let some time pass before the next try; whoever asks meanwhile is answered."""
        self._window.note_change()
        end = time.monotonic() + _TROUBLE_SECONDS
        while not self._is_over() and (left := end - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
            self._control.answer(self._answer)

    def _turn(self) -> None:
        now = time.monotonic()
        is_more = self._control.answer(self._answer)  # first: whatever is wrong, whoever asks is told
        if not self._is_open:  # after a change of folders
            self._workshop.catch_up(None, self._second, self._known)
            self._workshop.open()
            self._is_open = True
        self._workshop.begin_turn(now)
        if self._wants_reload and not self._once:
            self._wants_reload = False
            self._helm.reload()  # nobody waits for the answer: the log and the status have it
        self._helm.proceed(self._workshop, now)
        self._workshop.scheduler.pump(now)
        self._window.show(now, self._workshop, self._steering, self._control.is_watched)
        if is_more or self._is_over():
            return
        due = self._next_due()
        is_woken = self._wake.wait(max(0.0, min(due, self._window.next_due()) - time.monotonic()))
        if is_woken:
            self._wake.clear()
        if is_woken or time.monotonic() >= due:
            self._window.note_change()

    @property
    def _steering(self) -> Steering:
        return self._helm.steering(is_stopping=self._stops > 0, trouble=self._trouble)

    def _next_due(self) -> float:
        """Return until when there is certainly nothing to do but to show, unless something wakes us."""
        return min(self._workshop.next_due(), self._supervisor.next_due(), self._helm.next_due())

    def _answer(self, request: dict[str, object]) -> "dict[str, object] | Future[dict[str, object]]":
        """Answer a command. Raises BgzeroError."""
        match request["verb"]:
            case "status":
                return self._window.look(self._workshop, self._steering).told()
            case "stop":
                self._on_signal(signal.SIGTERM, None)
                return {}
            case "pause" | "resume" | "set_model" | "set_provider" | "set_notifications" | "reload":
                if request["verb"] == "resume":
                    self._workshop.scan()
                return self._helm.answer(request)
            case "models":
                return self._shelves.told()
            case "card":
                return self._slots.answer(request)
            case _:
                return self._workshop.desk.answer(request)

    def _take_over(self, change: Change) -> None:
        """Put a change in force that has proved itself. Raises BgzeroError where it cannot be after all."""
        config = change.wanted.config
        house = House(config, self._house) if change.needs_workshop else None
        if change.trial:
            self._workforce.adopt()
        self._source.on_log(config.log)
        self._slots.follow(config)
        if house is None:
            self._workshop.cook_by(config, change.second)
            return
        former, self._second = self._workshop, change.second
        self._known = frozenset(place.outbox.root for place in former.places)
        former.stop_watching()
        former.scheduler.close()
        house.take_over()
        self._house, self._is_open = house, False
        self._workshop = self._new_workshop(config)
        self._workshop.scheduler.follow(former.scheduler)

    def _finish(self) -> None:
        """Finish the photos in work; those that take too long, and all after a second signal, are put back."""

        def wait(seconds: float) -> None:
            self._control.answer(self._answer)
            self._wake.wait(seconds)
            self._wake.clear()

        self._window.show_last(self._workshop, self._steering)
        self._workshop.finish(_STOP_SECONDS, wait, lambda: self._stops > 1)

    def _close(self) -> None:
        self._lookout.close()
        self._slots.close()
        self._helm.close()
        self._workshop.stop_watching()
        self._workforce.close(kill=bool(self._workshop.scheduler.in_work))
        self._workshop.scheduler.close()
        self._house.close()
        self._window.close()
        self._control.close()  # last: whoever waits for our end hears of it now


def run(source: Source, *, once: bool, ask: existing.Ask | None = None) -> Exit:
    """Run the service in this process. Raises BgzeroError where it cannot start."""
    tally = Service(source, once=once, ask=ask).run()
    log.info(_("%d cut, %d failed, %d skipped."), tally.done, tally.failed + tally.given_up, tally.skipped)
    return Exit.SOME_FAILED if once and tally.failed + tally.given_up else Exit.OK
