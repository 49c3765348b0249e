"""Steering the service while it runs: pause, choices, and changes of its configuration. Main thread only."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import cast

from bgzero_daemon.catalog.choice import AUTO
from bgzero_daemon.catalog.runtime import runs_on_cpu
from bgzero_daemon.core.errors import BgzeroError, ConfigError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.change import Change, needing_restart
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.portrait import Steering
from bgzero_daemon.service.replies import Reply
from bgzero_daemon.service.watcher import suspended_seconds
from bgzero_daemon.service.wishes import Wishes
from bgzero_daemon.service.workshop import Workshop
from bgzero_daemon.settings import state as states
from bgzero_daemon.settings.load import Loaded
from bgzero_daemon.settings.state import Choice, ProviderChoice, Span, State
from bgzero_daemon.wire import snapshot

log = logging.getLogger(__name__)

_MIND_SECONDS = 30.0  # between two looks at what "auto" means


class Helm:
    """Holds what was chosen, and the configuration in force.

    `keeps` says whether choices are written down: of two daemons of an account the one that answers commands does it.
    `configured` is what was read at the start, `in_force` what counts of it; `reload` reads it anew. `file` is where
    choices are kept, None for this run alone. `take_over` puts a change that has proved itself in force, and may raise
    BgzeroError. `wake` is called from any thread when `proceed` has something to do.
    """

    def __init__(
        self, configured: Loaded, in_force: Loaded, state: State, file: Path | None, workforce: LocalWorkforce, *,
        reload: Callable[[], Loaded], take_over: Callable[[Change], None], wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self._started_with = self._configured = configured
        self.state, self._file, self.keeps = state, file, True
        self.loaded = in_force
        self._workforce, self._reload, self._take_over, self._wake = workforce, reload, take_over, wake
        self._wishes = Wishes()
        self._config_error = ""
        self._pause_ends: float | None = None
        self._minded_auto = -_MIND_SECONDS
        self._set_clock()

    @property
    def is_paused(self) -> bool:
        """Say whether no photo is to be begun."""
        return self.state.paused is not None

    def answer(self, request: dict[str, object]) -> "Reply | Future[Reply]":
        """Serve a verb that steers. Raises BgzeroError."""
        match request["verb"]:
            case "pause":
                return self._pause(cast(float, request.get("seconds", 0.0)))
            case "resume":
                self._keep(self.state.model_copy(update={"paused": None}))
                return {}
            case "set_model":
                name, accepts = str(request["name"]), request.get("accept_licence") is True
                return self._wishes.add("model", partial(self._choose, "name", name, accepts=accepts))
            case "set_provider":
                return self._wishes.add("provider", partial(self._choose, "provider", str(request["name"])))
            case "set_notifications":
                return self._set_notifications(cast(bool, request["on"]), cast(float, request.get("seconds", 0.0)))
            case _:
                return self.reload()

    def _pause(self, seconds: float) -> Reply:
        span = Span(began=time.time(), seconds=seconds)
        self._keep(self.state.model_copy(update={"paused": span}))
        return {"until": _end_of(span)}

    def _set_notifications(self, on: bool, seconds: float) -> Reply:
        span = None if on else Span(began=time.time(), seconds=seconds)
        self._keep(self.state.model_copy(update={"quiet": span}))
        return {"until": _end_of(span)}

    def _keep(self, state: State) -> None:
        """Hold a new state, and write it down so that it survives a restart."""
        self.state = state
        self._set_clock()
        if self._file is None or not self.keeps:
            return
        try:
            states.write(self._file, state)
        except OSError as error:
            log.warning(
                _("%s cannot be written (%s): what was chosen is forgotten at the end of this run."),
                display(self._file), error.strerror,
            )  # fmt: skip

    def _set_clock(self) -> None:
        left = self.state.paused.left(time.time()) if self.state.paused else None
        self._pause_ends = None if left is None else _now() + left

    def next_due(self) -> float:
        """Return when a pause ends, in seconds of the monotonic clock; infinity for never."""
        return float("inf") if self._pause_ends is None else self._pause_ends - suspended_seconds()

    def _choose(self, key: str, value: str, *, accepts: bool = False) -> Change:
        """Choose a model or a provider, or with "" go back to the configured one. Raises BgzeroError.

        `accepts`: with the model its licence is accepted.
        """
        configured = getattr(self._configured.config.model, key)
        field = "model" if key == "name" else "provider"
        kind = Choice if key == "name" else ProviderChoice
        try:
            given = {"value": value, "over": configured}
            choice = kind.model_validate(given) if value and value != configured else None
        except ValueError as error:
            raise BgzeroError(_("There is no provider {name}.").format(name=display(value))) from error
        wanted = self.state.model_copy(update={field: choice})
        loaded = wanted.laid_over(self._configured)
        if choice and getattr(loaded.config.model, key) != choice.value:
            raise BgzeroError(
                _("{flag} on the daemon's command line says otherwise.").format(flag=loaded.origins[f"model.{key}"]),
                hint=_("Start it without that."),
            )
        is_anew = key == "provider" and not runs_on_cpu(loaded.config.model.provider)
        if is_anew:  # whoever says it once more has mended something
            self._workforce.forget_rejected()
        change = Change(self.loaded, loaded, wanted, None, time.monotonic(), self._wake, is_anew=is_anew)
        change.accepts = value if accepts else ""
        return change

    def reload(self) -> "Future[Reply]":
        """Read the configuration anew and take over what changed; where that fails the last good one holds."""
        return self._wishes.add("reload", self._read_anew)

    def _read_anew(self) -> Change:
        try:
            configured = self._read()
        except ConfigError as error:
            self._reject(error)
            raise
        state = self.state.without_former_words(configured)
        return Change(self.loaded, state.laid_over(configured), state, configured, time.monotonic(), self._wake)

    def _read(self) -> Loaded:
        configured = self._reload()
        if configured.file is None and self._configured.file is not None:
            raise ConfigError(_("{file} is gone.").format(file=display(self._configured.file)))
        if configured.has_default_folders and not self._configured.has_default_folders:
            raise ConfigError(
                _("{file} names no folder any more.").format(file=display(self._configured.file or "")),
                hint=_("If the default folders are meant, restart the daemon."),
            )
        return configured

    def _reject(self, error: BgzeroError) -> None:
        said = f"{error} {error.hint}".strip()
        if said != self._config_error:
            log.error(_("The configuration is not taken over, the last good one holds. %s"), said)
        self._config_error = said

    def proceed(self, workshop: Workshop, now: float) -> None:
        """Do what is due: end a pause, go on with a change, or begin with the next one."""
        if self._pause_ends is not None and _now() >= self._pause_ends:
            log.info(_("The pause is over."))
            self._keep(self.state.model_copy(update={"paused": None}))
            workshop.scan()
        workshop.scheduler.is_paused = self.is_paused
        self._mind_auto(now)
        change = self._wishes.current
        workshop.scheduler.is_held = change is not None and change.holds_back
        if change is None:
            return
        try:
            if not change.is_ready(self._workforce, workshop, now):
                return
            self._take_over(change)
        except BgzeroError as error:
            self._fail(change, error)
        except OSError as error:
            self._fail(change, BgzeroError(_("It cannot be taken over: {why}.").format(why=error)))
        except Exception as error:  # a mistake of ours: the former configuration goes on
            log.exception("a change is given up")
            self._fail(change, BgzeroError(f"{type(error).__name__}: {error}"))
        else:
            self._succeed(change)
        workshop.scheduler.is_held = False
        self._wake()  # the next wish has its turn

    def _mind_auto(self, now: float) -> None:
        """See what "auto" means by now where the model that it meant cannot be had: somebody took its weights away."""
        origins, config = self.loaded.origins, self.loaded.config
        meant = {folder.model for at, folder in enumerate(config.folder) if origins.get(f"folder.{at}.model") == AUTO}
        meant |= {config.model.name} if origins.get("model.name") == AUTO else set()
        if now < self._minded_auto + _MIND_SECONDS or not meant & self._workforce.failing():
            return
        self._minded_auto = now
        self._wishes.add("auto", lambda: Change(
            self.loaded, self.state.laid_over(self._configured), self.state, None, time.monotonic(), self._wake
        ))  # fmt: skip

    def _succeed(self, change: Change) -> None:
        if change.configured:
            self._config_error = ""
            self._configured = change.configured
        self.loaded = change.wanted
        if change.state != self.state:
            self._keep(change.state.model_copy(update={"paused": self.state.paused, "quiet": self.state.quiet}))
        if change.keys:
            log.info(_("Taken over: %s."), ", ".join(change.keys))
        model = self.loaded.config.model
        self._wishes.end({
            "changed": change.keys, "needs_restart": self._at_next_start,
            "model": model.name, "provider": model.provider,
        })  # fmt: skip

    @property
    def _at_next_start(self) -> list[str]:
        return needing_restart(self._started_with.config, self._configured.config)

    def _fail(self, change: Change, error: BgzeroError) -> None:
        self._workforce.abandon()
        if change.configured:
            self._reject(error)
        elif change.trial:
            log.error(_("Taken back: %s %s"), error, error.hint)
        self._wishes.end(error)

    def close(self) -> None:
        """The service ends: whoever waits for a change is told."""
        self._wishes.give_up(BgzeroError(_("The daemon is stopping.")))

    def steering(self, *, is_stopping: bool, trouble: str) -> Steering:
        """Return what the Snapshot shows of this."""
        model, origins = self.loaded.config.model, self.loaded.origins
        return Steering(
            paused=self.is_paused, paused_until=_end_of(self.state.paused),
            notifications=not _holds(self.state.quiet), quiet_until=_end_of(self.state.quiet),
            model=snapshot.Choice(display(model.name), origins.get("model.name", "default")),
            provider=snapshot.Choice(model.provider, origins.get("model.provider", "default")),
            switching_to=display(self._wishes.current.model) if self._wishes.current else "",
            config_file=display(self._configured.file or ""), config_error=self._config_error,
            needs_restart=tuple(self._at_next_start), is_stopping=is_stopping,
            trouble=trouble,
        )  # fmt: skip


def _now() -> float:
    """Return a moment of the clock that goes on while the machine sleeps, in seconds."""
    return time.monotonic() + suspended_seconds()


def _end_of(span: Span | None) -> float:
    return span.began + span.seconds if span and span.seconds else 0.0


def _holds(span: Span | None) -> bool:
    return span is not None and (left := span.left(time.time())) != 0.0 and (left is None or left > 0)
