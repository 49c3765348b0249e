"""`bgzero model bench`: what a model takes here, and which providers prove themselves with it."""

import argparse
from collections.abc import Mapping

from bgzero_daemon.catalog import shelf
from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.errors import ConfigError, Exit
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.proofs import Proofs
from bgzero_daemon.settings.load import load
from bgzero_daemon.settings.schema import Config, Model
from bgzero_daemon.settings.state import in_force


def bench(arguments: argparse.Namespace) -> int:
    """Load a model in a worker as the daemon does, and print what came out.

    Providers prove themselves anew, in their order, until one is used.
    """
    config = in_force(load(arguments.config)).config
    name = arguments.name or config.model.name
    asked = _asking(config, name, arguments.provider)
    models = {name: shelf.installed(name)}
    proofs = Proofs(None)
    workforce = LocalWorkforce(asked, models, proofs=proofs)
    try:
        workforce.try_out(asked, models, name).result()
        (worker,) = workforce.told
    finally:
        workforce.close(kill=True)
    found = [proof.model_dump() for proof in proofs.all().values()]
    told = {key: worker[key] for key in ("model", "provider", "note", "memory_mb", "sandbox")}
    told |= {"network_seconds": worker["network_seconds"], "proofs": found}
    if arguments.json:
        return print_json(told)
    print(_("{model} on {provider}: {network_seconds:.3f} s a run, {memory_mb} MB, sandbox {sandbox}").format(**told))
    for proof in found:
        print(_proof(proof))
    if told["note"]:
        print(told["note"])
    return Exit.OK


def _asking(config: Config, name: str, provider: str) -> Config:
    """Return the configuration with this model and provider. Raises ConfigError for a provider that is none."""
    wanted = {"name": name} | ({"provider": provider} if provider else {})
    try:
        model = Model.model_validate(config.model.model_dump() | wanted)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return config.model_copy(update={"model": model})


def _proof(proof: Mapping[str, object]) -> str:
    verdict = _("turned down: {reason}").format(reason=proof["reason"]) if proof["reason"] else _("used")
    text = _("  {provider}: {seconds:.3f} s, the CPU {cpu_seconds:.3f} s; masks differ by {difference:.4f};"
             " {share:.0%} of the network; {verdict}")  # fmt: skip
    return text.format(**proof, verdict=verdict)
