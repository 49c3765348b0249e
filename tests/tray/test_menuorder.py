"""What panels are told of a menu, against a panel that puts in and takes out, but moves nothing."""

from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.tray.entries import SEPARATOR, Entry, Menu, PystrayItem
from bgzero_daemon.tray.menutree import ROOT, MenuTree

KEYS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "-"]), max_size=8)


class Shy:
    """As GNOME's extension is: after a change it asks for the order alone, and keeps what it knows of an item."""

    def __init__(self) -> None:
        self.lists: dict[int, list[int]] = {}
        self.labels: dict[int, object] = {}

    def look(self, tree: MenuTree, number: int = ROOT) -> None:
        """Take over a new order."""
        wanted = tree.children[number]
        for child in wanted:
            self.look(tree, child)
            self.labels.setdefault(child, tree.properties[child].get("label"))
        shown = self.lists.setdefault(number, list(wanted))
        for place, child in enumerate(wanted):
            if child not in shown:
                shown.insert(place, child)
        self.lists[number] = [child for child in shown if child in wanted]

    def told(self, number: int = ROOT) -> list[object]:
        """Return what it shows."""
        return [(self.labels[child], self.told(child)) for child in self.lists[number]]


def _menu(keys: list[str], below: list[str], turn: int) -> Menu:
    items: list[PystrayItem] = [Entry(key, f"{key} {turn}", print) if key != "-" else SEPARATOR for key in keys]
    return Menu([Entry("more", "more", Menu([Entry(key, key, print) for key in below])), *items])


def _expected(menu: Menu) -> list[object]:
    return [
        (None if item is SEPARATOR else item.text, _expected(item.submenu) if item.submenu else [])  # type: ignore[arg-type]
        for item in menu
    ]


@given(st.lists(st.tuples(KEYS, KEYS.filter(bool)), min_size=1, max_size=6))
def test_panel_that_moves_nothing_shows_every_menu_in_order(menus: list[tuple[list[str], list[str]]]) -> None:
    """Whatever comes, goes and is moved, at both depths; what an item says is told with a new order too."""
    tree, panel = MenuTree(), Shy()
    for turn, (keys, below) in enumerate(menus):
        menu = _menu(keys, below, turn)
        change = tree.build(menu)
        if change.layout:
            panel.look(tree)
        for number, properties in change.updated.items():
            if "label" in properties:
                panel.labels[number] = properties["label"]
        assert panel.told() == _expected(menu)


def test_what_stays_keeps_its_number_where_it_can() -> None:
    """A photo more at the top, one less at the end."""
    tree = MenuTree()
    tree.build(_menu([], ["a", "b", "c"], 0))
    (more,) = tree.children[ROOT]
    a, b, _c = tree.children[more]
    tree.build(_menu([], ["d", "a", "b"], 1))
    assert tree.children[more][1:] == [a, b]
