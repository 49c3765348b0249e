"""The part of the command line that is about the desktop."""

from bgzero_daemon.cli.options import Verbs, add_json
from bgzero_daemon.cli.words import Parser
from bgzero_daemon.core.texts import _

_BACKENDS = ("sni", "appindicator", "gtk", "xorg", "darwin")
_MANAGERS = "nautilus, dolphin, thunar, nemo, caja"


def add_desktop(verbs: Verbs, common: Parser) -> None:
    """Add the icon in the panel, and what brings this program into menus."""
    tray = verbs.add_parser("tray", parents=[common], help=_("show an icon in the panel, with a menu"))
    tray.add_argument(
        "--no-start", dest="start", action="store_false", help=_("do not start the daemon where none answers")
    )
    tray.add_argument(
        "--backend", default="", choices=_BACKENDS, help=_("how the icon gets there; chosen by what is here otherwise")
    )
    tray.set_defaults(serve="bgzero_daemon.tray.app:run")
    integrate = verbs.add_parser("integrate", help=_("be in the menus of this desktop, and start at login"))
    actions = integrate.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = actions.add_parser("install", parents=[common], help=_('put "Remove background" into file managers'))
    remove = actions.add_parser("remove", parents=[common], help=_("take it out of them again"))
    for verb, text in ((install, _("{names}; without, those that are here")), (remove, _("{names}; without, all"))):
        verb.add_argument("managers", nargs="*", metavar="NAME", help=text.format(names=_MANAGERS))
    status = actions.add_parser("status", parents=[common], help=_("what is installed; exit 1: some of it is wrong"))
    add_json(status)
    start = actions.add_parser("autostart", parents=[common], help=_("have the tray started at every login, or not"))
    start.add_argument("mode", choices=["on", "off"])
    for action, verb in (("install", install), ("remove", remove), ("status", status), ("autostart", start)):
        verb.set_defaults(serve=f"bgzero_daemon.cli.integrate:{action}")
