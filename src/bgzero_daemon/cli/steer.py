"""Commands that steer the running daemon, and tell what it is doing."""

import argparse
import json
import re
import time
from typing import TYPE_CHECKING, Any

from bgzero_daemon import client
from bgzero_daemon.core.errors import BgzeroError, Exit, UsageError
from bgzero_daemon.core.texts import _

if TYPE_CHECKING:
    from bgzero_daemon.wire.snapshot import Snapshot

SCHEMA = 1  # of what commands print with --json
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNITS = (86400, 3600, 60, 1)


def print_json(reply: dict[str, Any]) -> int:
    """Print what was answered."""
    told = {"schema": SCHEMA} | {key: value for key, value in reply.items() if key not in ("ok", "event")}
    print(json.dumps(told, indent=1, ensure_ascii=False))
    return 0


def read_snapshot(told: dict[str, Any]) -> "Snapshot":
    """Read what the daemon said of itself. Raises BgzeroError where it is of another version."""
    from bgzero_daemon.wire import snapshot

    try:
        return snapshot.read(told)
    except ValueError as error:
        raise BgzeroError(
            _("The running daemon is of another version: {why}.").format(why=error), hint=_("Restart it.")
        ) from error


def status(arguments: argparse.Namespace) -> int:
    """Say what the daemon is doing."""
    if arguments.watch:
        from bgzero_daemon.cli import live

        return live.watch(as_json=arguments.json)
    reply = client.ask("status")
    if arguments.check:
        return _check(reply)
    if arguments.json:
        return print_json(reply)
    from bgzero_daemon.cli.picture import length, lines

    print("\n".join(lines(read_snapshot(reply))))
    if reply.get("stale"):
        print(_("The daemon did not answer in time; this is {age} old.").format(
            age=length(time.time() - reply["taken_at"])
        ))  # fmt: skip
    return 0


def _check(reply: dict[str, Any]) -> int:
    """Say what is wrong, for service managers and containers that ask now and then."""
    wrong = [f"{folder['inbox']}: {sentence}" for folder in reply["folders"] for sentence in folder["trouble"]]
    wrong += [reply[key] for key in ("trouble", "config_error") if reply[key]]
    wrong += [_("The daemon does not answer in time.")] if reply.get("stale") else []
    print("\n".join(wrong or [_("ok")]))
    return Exit.FAILURE if wrong else Exit.OK


def seconds_of(text: str) -> float:
    """Read a time such as 90s, 45m, 1h30m or 2d. Raises UsageError."""
    match = _SPAN.fullmatch(text.strip().lower())
    seconds = sum(int(part) * unit for part, unit in zip(match.groups("0"), _UNITS, strict=True)) if match else 0
    if not 0 < seconds <= 366 * 86400:
        raise UsageError(_("{text} is no time; 90s, 45m, 1h30m and 2d are.").format(text=text))
    return float(seconds)


def _span(arguments: argparse.Namespace) -> dict[str, float]:
    return {"seconds": seconds_of(arguments.for_)} if arguments.for_ else {}


def _until(moment: float) -> str:
    near = abs(moment - time.time()) < 43200
    return time.strftime("%H:%M:%S" if near else "%Y-%m-%d %H:%M", time.localtime(moment))


def pause(arguments: argparse.Namespace) -> int:
    """Cut nothing more for now."""
    until = client.ask("pause", **_span(arguments))["until"]
    print(_("Paused until {time}.").format(time=_until(until)) if until else _("Paused; `bgzero resume` goes on."))
    return 0


def resume(_arguments: argparse.Namespace) -> int:
    """Go on cutting."""
    client.ask("resume")
    return 0


def notifications(arguments: argparse.Namespace) -> int:
    """Let the tray speak, or keep it quiet."""
    is_on = arguments.mode == "on"
    until = client.ask("set_notifications", on=is_on, **({} if is_on else _span(arguments)))["until"]
    if until:
        print(_("Quiet until {time}.").format(time=_until(until)))
    return 0


def use_model(arguments: argparse.Namespace) -> int:
    """Cut the next photos with another model, once it has proved itself."""
    if bool(arguments.name) == arguments.configured:
        raise UsageError(_("Name a model, or say --configured."))
    reply = client.ask("set_model", name=arguments.name or "", accept_licence=arguments.accept_licence)
    print(_("The next photo is cut with {model}.").format(model=reply["model"]))
    return 0


def use_provider(arguments: argparse.Namespace) -> int:
    """Run the network on another provider, once it has proved itself."""
    reply = client.ask("set_provider", name="" if arguments.name == "configured" else arguments.name)
    print(_("Provider asked for: {provider}.").format(provider=reply["provider"]))
    return 0


def reload(arguments: argparse.Namespace) -> int:
    """Have the daemon take over what changed in its configuration."""
    reply = client.ask("reload")
    if arguments.json:
        return print_json(reply)
    changed = ", ".join(reply["changed"])
    print(_("Taken over: {keys}.").format(keys=changed) if changed else _("Nothing has changed."))
    if reply["needs_restart"]:
        print(_("Takes effect at the next start: {keys}.").format(keys=", ".join(reply["needs_restart"])))
    return 0


def stop(_arguments: argparse.Namespace) -> int:
    """End the daemon, and wait until it has finished the photos in work and ended."""
    client.stop()
    return 0
