"""`bgzero model bench`: what a model takes here, and which providers prove themselves with it."""

import argparse
from collections.abc import Mapping

from bgzero_daemon.catalog import shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.errors import ConfigError, Exit, WorkforceLost
from bgzero_daemon.core.providers import CPU, RUNTIME_NAMES
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.device import device_bytes
from bgzero_daemon.doctor.trial import offered
from bgzero_daemon.service.chosen import in_force, name_of
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.proofs import Proofs
from bgzero_daemon.settings import schema
from bgzero_daemon.settings.load import load
from bgzero_daemon.settings.schema import Config
from bgzero_daemon.wire.work import ProofFrame

Told = Mapping[str, object]


def bench(arguments: argparse.Namespace) -> int:
    """Have every provider that may be used prove itself anew, each in a worker of its own, and print what came out.

    That is remembered: the daemon's next worker goes by it.
    """
    config = in_force(load(arguments.config)).config
    name = name_of(arguments.name or config.model.name, config)
    wanted = asking(config, name, arguments.provider or config.model.provider)
    model = shelf.installed(name)
    names, missing = offered(wanted.model.provider)
    found: list[ProofFrame] = []
    worker: Told = {}
    for provider in names:
        alone = wanted if names == [CPU] else asking(config, name, provider)
        proof, worker = _prove(alone, model, name, RUNTIME_NAMES[provider])
        found.append(proof)
    if names != [CPU]:  # as the daemon does it, by what was just found
        worker = _try(wanted, model, name, Proofs.of_account())[0]
    told = {key: worker[key] for key in ("model", "provider", "memory_mb", "sandbox")}
    seconds = next((proof.seconds for proof in found if proof.provider == told["provider"]), worker["network_seconds"])
    note = worker["note"] or "; ".join(missing)
    told |= {"note": note, "network_seconds": seconds, "proofs": [proof.model_dump() for proof in found]}
    if arguments.json:
        return print_json(told)
    print(_("{model} on {provider}: {network_seconds:.3f} s a run, {memory_mb} MB, sandbox {sandbox}").format(**told))
    for proof in found:
        print(_sentence(proof, is_used=proof.provider == told["provider"]))
    if note:
        print(note)
    return Exit.OK


def asking(config: Config, name: str, provider: str) -> Config:
    """Return the configuration with this model and provider. Raises ConfigError for a provider that is none."""
    try:
        model = schema.Model.model_validate(config.model.model_dump() | {"name": name, "provider": provider})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return config.model_copy(update={"model": model})


def _prove(config: Config, model: Model, name: str, provider: str) -> tuple[ProofFrame, Told]:
    """Have one provider prove itself; return what came out, and what its worker said.

    A worker that dies of it has proved nothing, and does not keep the others from it. Raises WorkforceLost where that
    happens on the CPU.
    """
    proofs = Proofs.of_account(anew=True)
    try:
        worker, device = _try(config, model, name, proofs)
    except WorkforceLost as error:
        if provider == RUNTIME_NAMES[CPU]:
            raise
        return ProofFrame(provider=provider, reason=str(error)[:300]), {}
    mine = {key: proof for key, proof in proofs.noted.items() if proof.provider == provider}
    if device is not None and worker["provider"] == provider:
        mine = {key: proof.model_copy(update={"device_bytes": device}) for key, proof in mine.items()}
        proofs.note(model.proof_prefix, mine)
    for proof in mine.values():
        return proof, worker
    note = str(worker["note"]).removeprefix(f"{provider}: ")  # short of memory, for now: that is not remembered
    return ProofFrame(provider=provider, reason=note[:300]), worker


def _try(config: Config, model: Model, name: str, proofs: Proofs) -> tuple[Told, int | None]:
    """Load a model in a worker as the daemon does; return what that said, and its memory on a card, if that is known.

    Raises WorkforceLost where it fails.
    """
    workforce = LocalWorkforce(config, {name: model}, proofs=proofs)
    try:
        workforce.try_out(config, {name: model}, name).result()
        (worker,) = workforce.told
        is_cpu = worker["provider"] == RUNTIME_NAMES[CPU]
        return worker, None if is_cpu else device_bytes(int(str(worker["pid"])))
    finally:
        workforce.close(kill=True)


def _sentence(proof: ProofFrame, *, is_used: bool) -> str:
    """Return one provider's line: its figures, as far as it got, and the verdict."""
    is_cpu = proof.provider == RUNTIME_NAMES[CPU]
    parts = []
    if proof.seconds:
        timed = _("{seconds:.3f} s") if is_cpu else _("{seconds:.3f} s, the CPU {cpu:.3f} s")
        parts += [timed.format(seconds=proof.seconds, cpu=proof.cpu_seconds)]
        parts += [_("{memory} of memory").format(memory=_megabytes(proof.memory_bytes))]
        if not is_cpu:
            parts += [
                _("{memory} on the device").format(memory=_megabytes(proof.device_bytes)),
                _("masks differ by {difference:.4f}").format(difference=proof.difference),
                _("{share:.0%} of the network").format(share=proof.share),
            ]
    if proof.reason:
        parts += [_("turned down: {reason}").format(reason=proof.reason)]
    else:
        parts += [_("used") if is_used else _("accepted")]
    return f"  {proof.provider}: {'; '.join(parts)}"


def _megabytes(number: int | None) -> str:
    return _("an unknown amount") if number is None else f"{number / 1e6:.0f} MB"
