"""The command line: every verb, its options, and the function that serves it. Nothing heavy is imported here.

`serve` names a function as "module:function"; `cli.main` imports it when it is called.
"""

from pathlib import Path

from bgzero_daemon import __version__
from bgzero_daemon.cli.desktop import add_desktop
from bgzero_daemon.cli.importing import add_import
from bgzero_daemon.cli.measuring import add_model_bench, add_speed
from bgzero_daemon.cli.options import Verbs, add_json, add_licence, add_log_options, add_recipe, add_wishes
from bgzero_daemon.cli.reviewing import add_review
from bgzero_daemon.cli.words import Parser, teach
from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.texts import _


def build_parser() -> Parser:
    """Return the parser of every verb."""
    teach()
    common = Parser(add_help=False)
    common.add_argument("-v", "--verbose", action="store_true", help=_("say more, and show tracebacks"))
    configured = Parser(add_help=False)
    configured.add_argument("--config", type=Path, metavar="FILE", help=_("configuration file to use"))

    parser = Parser(prog="bgzero", description=_("Removes photo backgrounds. Nothing leaves this machine."))
    parser.add_argument(
        "--version", action="version", version=f"bgzero {__version__}", help=_("show the version and exit")
    )
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    _add_work(verbs, common, configured)
    add_import(verbs, common, configured)
    _add_steering(verbs, common)
    _add_decisions(verbs, common)
    _add_models(verbs, common)
    add_review(verbs, common)
    add_speed(verbs, common, configured)
    _add_configuration(verbs, common, configured)
    _add_service(verbs, common, configured)
    add_desktop(verbs, common)
    _add_doctor(verbs, common, configured)
    _add_logs(verbs, common)
    _add_report(verbs, common, configured)
    _add_completion(verbs, common)
    return parser


def _add_work(verbs: Verbs, common: Parser, configured: Parser) -> None:
    """Add what cuts photos."""
    run = verbs.add_parser("run", parents=[common, configured], help=_("watch the inbox and cut what arrives"))
    run.add_argument("--inbox", metavar="DIR", help=_("folder to watch"))
    run.add_argument("--outbox", metavar="DIR", help=_("folder for the cut-outs"))
    run.add_argument("--model", metavar="NAME", help=_("model to use, see `bgzero model list`"))
    add_licence(run)
    run.add_argument("--json-logs", action="store_true", help=_("write the log as JSON, one object a line"))
    run.add_argument("--once", action="store_true", help=_("cut what is there now, then end"))
    run.add_argument("--tray", action="store_true", help=_("show the icon in the panel, too"))
    run.set_defaults(serve="bgzero_daemon.cli.run:run")

    cut = verbs.add_parser("cut", parents=[common, configured], help=_("cut single photos"))
    cut.add_argument("photos", nargs="+", metavar="PHOTO", help=_("photo to cut; - reads standard input"))
    cut.add_argument(
        "-o", "--output", metavar="FILE_OR_DIR", help=_("where to put the result; - writes standard output")
    )
    cut.add_argument("--model", metavar="NAME", help=_("model to use, see `bgzero model list`"))
    add_licence(cut)
    cut.add_argument("--mask-only", action="store_true", help=_("write the matte as a grey picture"))
    add_recipe(cut)
    cut.add_argument(
        "--notify", dest="serve", action="store_const", const="bgzero_daemon.cli.bubble:cut",
        help=_("tell of failures by a notification, too, and take file: URIs, as file managers need it"),
    )  # fmt: skip
    cut.set_defaults(serve="bgzero_daemon.cli.cut:cut")


def _add_steering(verbs: Verbs, common: Parser) -> None:
    """Add the commands to a running daemon."""
    status = verbs.add_parser("status", parents=[common], help=_("what the running daemon is doing"))
    add_json(status)
    form = status.add_mutually_exclusive_group()
    form.add_argument("--watch", action="store_true", help=_("go on showing it, until Ctrl-C"))
    form.add_argument("--check", action="store_true", help=_("say only what is wrong: exit 0 where nothing is"))
    status.set_defaults(serve="bgzero_daemon.cli.steer:status")
    pause = verbs.add_parser("pause", parents=[common], help=_("cut nothing more for now; photos still arrive"))
    pause.set_defaults(serve="bgzero_daemon.cli.steer:pause")
    provider = verbs.add_parser("provider", parents=[common], help=_("run the network on another provider"))
    provider.add_argument(
        "name", metavar="NAME", help=_("auto, cpu, cuda ... or some, with commas; configured: what the file says")
    )
    provider.set_defaults(serve="bgzero_daemon.cli.steer:use_provider")
    quiet = verbs.add_parser("notifications", parents=[common], help=_("let the tray speak, or keep it quiet"))
    quiet.add_argument("mode", choices=["on", "off"])
    quiet.set_defaults(serve="bgzero_daemon.cli.steer:notifications")
    for verb in (pause, quiet):
        verb.add_argument("--for", dest="for_", metavar="TIME", help=_("so long, for example 45m or 1h30m"))
    reload = verbs.add_parser("reload", parents=[common], help=_("take over what changed in the configuration"))
    add_json(reload)
    reload.set_defaults(serve="bgzero_daemon.cli.steer:reload")
    for name, text in (
        ("resume", _("go on cutting")),
        ("stop", _("finish the photos in work, and end the daemon")),
    ):
        verbs.add_parser(name, parents=[common], help=text).set_defaults(serve=f"bgzero_daemon.cli.steer:{name}")


def _add_decisions(verbs: Verbs, common: Parser) -> None:
    """Add the commands about single photos."""
    for name, text, what in (
        ("add", _("bring photos of an inbox to the front"), _("photo in an inbox")),
        ("redo", _("cut photos again, whatever was decided"), _("photo in an inbox, or a folder of them")),
    ):
        verb = verbs.add_parser(name, parents=[common], help=text)
        verb.add_argument("paths", nargs="+", metavar="PATH", help=what)
        verb.set_defaults(serve=f"bgzero_daemon.cli.photos:{name}")
        if name == "redo":
            add_wishes(verb)
    failed = verbs.add_parser("failed", parents=[common], help=_("photos that could not be cut"))
    add_json(failed)
    failed.set_defaults(serve="bgzero_daemon.cli.photos:failed")
    actions = failed.add_subparsers(dest="action", metavar="ACTION")
    add_json(actions.add_parser("list", parents=[common], help=_("list them, with the reasons")))
    for action, text in (("retry", _("try them again")), ("dismiss", _("take them off the list"))):
        verb = actions.add_parser(action, parents=[common], help=text)
        verb.add_argument("paths", nargs="*", metavar="PATH", help=_("photo in an inbox, or a folder of them"))
        verb.add_argument("--all", action="store_true", help=_("all of them"))
        verb.set_defaults(serve=f"bgzero_daemon.cli.photos:{action}")
    history = verbs.add_parser("history", parents=[common], help=_("what was decided, the latest first"))
    add_json(history)
    history.add_argument("--limit", type=int, default=100, metavar="N", help=_("this many at most (default 100)"))
    history.add_argument(
        "--confidence", choices=[*filter(None, Confidence)], help=_("those alone of which this is thought")
    )
    history.set_defaults(serve="bgzero_daemon.cli.photos:history")


def _add_models(verbs: Verbs, common: Parser) -> None:
    """Add what tells of models."""
    model = verbs.add_parser("model", help=_("see which models there are")).add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    listing = model.add_parser("list", parents=[common], help=_("list all models"))
    add_json(listing)
    listing.set_defaults(serve="bgzero_daemon.cli.models:list_models")
    info = model.add_parser("info", parents=[common], help=_("tell all about one model"))
    info.add_argument("name", metavar="NAME", help=_("name of a model, or path of a weight file"))
    form = info.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=_("as JSON"))
    form.add_argument("--card", action="store_true", help=_("as a model card to start from"))
    info.set_defaults(serve="bgzero_daemon.cli.models:info")
    add_model_bench(model, common)
    _add_shelving(model, common)
    prepare = model.add_parser("prepare", parents=[common], help=_("make a graph of a model that a CPU runs faster"))
    prepare.add_argument(
        "name", nargs="?", default="", metavar="NAME",
        help=_("name of a model, or path of a weight file; without, every one that the configuration names"),
    )  # fmt: skip
    prepare.add_argument("--config", type=Path, metavar="FILE", help=_("configuration file to use"))
    prepare.set_defaults(serve="bgzero_daemon.cli.models:prepare")
    use = model.add_parser("use", parents=[common], help=_("cut the next photos with another model"))
    use.add_argument("name", nargs="?", default="", metavar="NAME", help=_("name of a model"))
    use.add_argument("--configured", action="store_true", help=_("go back to the one that the configuration names"))
    add_licence(use)
    use.set_defaults(serve="bgzero_daemon.cli.steer:use_model")


def _add_shelving(model: Verbs, common: Parser) -> None:
    """Add what brings weights and takes them away."""
    pull = model.add_parser("pull", parents=[common], help=_("fetch a model's weights; nothing else uses a network"))
    pull.add_argument("name", metavar="NAME", help=_("name of a model"))
    pull.add_argument(
        "--from", dest="from_", default="", metavar="DIR_OR_URL", help=_("from this folder or address instead")
    )
    pull.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="SECONDS", help=_("how long a server may be silent (30)")
    )
    add_licence(pull)
    pull.set_defaults(serve="bgzero_daemon.cli.pull:pull")
    add = model.add_parser("add", parents=[common], help=_("bring a weight file of your own"))
    add.add_argument("file", metavar="FILE", help=_("an ONNX file"))
    add.add_argument("--like", default="", metavar="NAME", help=_("the model whose preprocessing it needs"))
    add.add_argument("--name", default="", metavar="NAME", help=_("what to call it; the file's name otherwise"))
    add.add_argument("--licence", default="not stated", metavar="TEXT", help=_("the licence of the weights"))
    add.add_argument(
        "--commercial", default="unclear", choices=("yes", "no", "unclear"), help=_("whether it allows commercial use")
    )
    add_licence(add)
    add.set_defaults(serve="bgzero_daemon.cli.shelving:add")
    verify = model.add_parser("verify", parents=[common], help=_("compare weights with what their cards describe"))
    verify.add_argument("names", nargs="*", metavar="NAME", help=_("name of a model; without, all that are installed"))
    verify.set_defaults(serve="bgzero_daemon.cli.shelving:verify")
    remove = model.add_parser("rm", parents=[common], help=_("take a model's weights away"))
    remove.add_argument("name", metavar="NAME", help=_("name of a model"))
    remove.set_defaults(serve="bgzero_daemon.cli.shelving:remove")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 3600:
        raise ValueError(text)
    return seconds


def _add_configuration(verbs: Verbs, common: Parser, configured: Parser) -> None:
    """Add what shows and writes the configuration."""
    config = verbs.add_parser("config", help=_("see and check the configuration")).add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    for action, text in (
        ("init", _("write the commented configuration file")),
        ("show", _("print the configuration in use")),
        ("check", _("check the configuration and its folders")),
        ("path", _("print where the configuration file is")),
        ("schema", _("print the configuration's JSON Schema")),
    ):
        verb = config.add_parser(action, parents=[common, configured], help=text)
        verb.set_defaults(serve=f"bgzero_daemon.cli.settings:{action}")
        if action == "show":
            verb.add_argument("--origin", action="store_true", help=_("tell where each value comes from"))
        if action in ("show", "check"):
            add_json(verb)
    migrate = config.add_parser(
        "migrate", parents=[common, configured], help=_("bring a file of an older version forward, keeping a copy")
    )
    migrate.set_defaults(serve="bgzero_daemon.cli.change:migrate")
    get = config.add_parser("get", parents=[common, configured], help=_("print the value of one key"))
    put = config.add_parser("set", parents=[common, configured], help=_("write a value into the file, comments kept"))
    unset = config.add_parser("unset", parents=[common, configured], help=_("take a key out of the file"))
    add_json(get)
    for verb in (get, unset):
        verb.add_argument("key", metavar="KEY", help=_("such as model.name, or folder.0.model"))
    put.add_argument("pairs", nargs="+", metavar="KEY VALUE", help=_("such as model.name u2net; several are possible"))
    for verb, function in ((get, "get"), (put, "put"), (unset, "unset")):
        verb.set_defaults(serve=f"bgzero_daemon.cli.change:{function}")


def _add_logs(verbs: Verbs, common: Parser) -> None:
    """Add what shows the daemon's log."""
    add_log_options(verbs.add_parser("logs", parents=[common], help=_("show the daemon's log, wherever it keeps it")))


def _add_report(verbs: Verbs, common: Parser, configured: Parser) -> None:
    """Add what helps to report a mistake."""
    report = verbs.add_parser(
        "report", parents=[common, configured], help=_("write a text for a bug report, without names; nothing is sent")
    )
    report.add_argument("-o", "--output", metavar="FILE", help=_("where to write it; - writes standard output"))
    report.set_defaults(serve="bgzero_daemon.cli.report:report")


def _add_completion(verbs: Verbs, common: Parser) -> None:
    """Add what makes Tab work."""
    completion = verbs.add_parser("completion", parents=[common], help=_("print a script that makes Tab work"))
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh", "fish"), help=_("shell to write it for"))
    completion.set_defaults(serve="bgzero_daemon.cli.completion:show")


def _add_service(verbs: Verbs, common: Parser, configured: Parser) -> None:
    """Add what has the daemon started at every login."""
    service = verbs.add_parser("service", help=_("have the daemon started at every login")).add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    install = service.add_parser("install", parents=[common, configured], help=_("install it and start it"))
    install.add_argument("--force", action="store_true", help=_("replace a file that was edited, keeping a copy"))
    uninstall = service.add_parser("uninstall", parents=[common], help=_("stop it and remove it"))
    uninstall.add_argument(
        "--purge", action="store_true", help=_("remove configuration, ledger, logs and models too; pictures stay")
    )
    status = service.add_parser("status", parents=[common], help=_("how the service is; exit 3: it does not run"))
    add_json(status)
    start = service.add_parser("start", parents=[common], help=_("start it, and wait until it watches"))
    stop = service.add_parser("stop", parents=[common], help=_("stop it, and wait for its end"))
    add_log_options(service.add_parser("logs", parents=[common], help=_("the same as `bgzero logs`")))
    for action, verb in (("install", install), ("status", status), ("start", start), ("stop", stop)):
        verb.set_defaults(serve=f"bgzero_daemon.cli.service:{action}")
    uninstall.set_defaults(serve="bgzero_daemon.cli.uninstall:uninstall")


def _add_doctor(verbs: Verbs, common: Parser, configured: Parser) -> None:
    """Add what looks for trouble."""
    doctor = verbs.add_parser(
        "doctor", parents=[common, configured], help=_("look for what is wrong, and say the cure")
    )
    doctor.add_argument(
        "--only", action="append", default=[], metavar="NAME", help=_("this check alone; may be given again")
    )
    add_json(doctor)
    doctor.set_defaults(serve="bgzero_daemon.cli.doctor:doctor")
