"""Numbers that stay with what they stand for, and the least that has to be told."""

from collections.abc import Callable

from bgzero_daemon.tray.entries import SEPARATOR, Entry, Menu, PystrayItem
from bgzero_daemon.tray.menutree import ROOT, Change, MenuTree


def menu(*names: str, clicked: Callable[[str], None] = lambda _name: None, **texts: str) -> Menu:
    """A menu of these keys; `texts` says what some of them say."""
    return Menu([Entry(name, texts.get(name, name), lambda name=name: clicked(name)) for name in names])  # type: ignore[misc]


def number(tree: MenuTree, label: str) -> int:
    """The number of the item that says this."""
    return next(at for at, told in tree.properties.items() if told.get("label") == label)


def test_same_menu_is_no_news() -> None:
    """Nothing is told where nothing differs."""
    tree = MenuTree()
    assert tree.build(menu("a", "b")).layout
    assert tree.build(menu("a", "b")) == Change()


def test_another_text_is_told_without_a_new_layout() -> None:
    """Only what differs, of the item that differs."""
    tree = MenuTree()
    tree.build(menu("a", "b"))
    revision = tree.revision
    change = tree.build(menu("a", "b", b="more"))
    assert change == Change(updated={number(tree, "more"): {"label": "more"}})
    assert tree.revision == revision


def test_property_that_goes_is_told() -> None:
    """An item that may be clicked again has no "enabled" any more."""
    tree = MenuTree()
    tree.build(Menu([Entry("a", "a", None)]))
    change = tree.build(Menu([Entry("a", "a", lambda: None)]))
    assert change == Change(removed={number(tree, "a"): ["enabled"]})


def test_number_stays_with_the_item_wherever_it_goes() -> None:
    """A photo that moves down the list keeps its number, and a new one gets a new number."""
    tree = MenuTree()
    tree.build(menu("a", "b"))
    before = number(tree, "a"), number(tree, "b")
    assert tree.build(menu("new", "a", "b")).layout
    assert (number(tree, "a"), number(tree, "b")) == before
    assert number(tree, "new") not in before


def test_open_menu_keeps_its_lines_and_lets_them_speak() -> None:
    """What comes waits, what goes stays, what changes is told; once it is closed, everything is as it is."""
    tree = MenuTree()
    tree.build(menu("a", "b"))
    tree.is_open = True
    change = tree.build(menu("new", "b", b="more"))
    assert not change.layout
    assert change.updated == {number(tree, "more"): {"label": "more"}}
    assert [tree.properties[at]["label"] for at in tree.children[ROOT]] == ["a", "more"]
    tree.is_open = False
    assert tree.build(menu("new", "b", b="more")).layout
    assert [tree.properties[at]["label"] for at in tree.children[ROOT]] == ["new", "more"]


def test_click_on_what_has_just_gone_still_means_it() -> None:
    """A panel shows a line for a moment longer than it is there."""
    clicked: list[str] = []
    tree = MenuTree()
    tree.build(menu("a", "b", clicked=clicked.append))
    gone = number(tree, "a")
    tree.build(menu("b", "c", clicked=clicked.append))
    item = tree.item(gone)
    assert item
    item(None)
    assert clicked == ["a"]


def test_what_cannot_be_clicked_is_not() -> None:
    """Separators, sentences, menus, and numbers that nobody has."""
    tree = MenuTree()
    entries: list[PystrayItem] = [Entry("a", "a", None), SEPARATOR, Entry("m", "m", menu("x")), Entry("z", "z", menu())]
    tree.build(Menu(entries))
    assert [tree.item(at) for at in (number(tree, "a"), number(tree, "m"), 999, ROOT)] == [None] * 4
    assert tree.item(number(tree, "x"))


def test_underscore_is_shown_as_one() -> None:
    """A single one would mark a key."""
    tree = MenuTree()
    tree.build(menu("a", a="u2net_human_seg"))
    assert number(tree, "u2net__human__seg")


def test_numbers_of_what_is_long_gone_are_forgotten_and_never_given_again() -> None:
    """Thousands of photos fly by; a late click on one of them must not mean another."""
    tree = MenuTree()
    tree.build(menu("stays", "0"))
    stays, seen = number(tree, "stays"), {number(tree, "0")}
    for turn in range(1, 3000):
        tree.build(menu("stays", f"{turn}"))
        assert number(tree, f"{turn}") not in seen
        seen.add(number(tree, f"{turn}"))
    assert number(tree, "stays") == stays
    assert len(tree._numbers) <= 1000
    assert len(tree._items) <= 1000
    assert tree.item(min(seen)) is None
    large = menu(*map(str, range(1500)))
    tree.build(large)
    assert tree.build(large) == Change(), "a menu that is larger than what is remembered"


def test_neighbours_of_one_name_are_two_items() -> None:
    """Two lines with one number would be one line to a panel, or none."""
    clicked: list[str] = []
    entries: list[PystrayItem] = [Entry("a", text, lambda text=text: clicked.append(text)) for text in ("x", "y")]  # type: ignore[misc]
    tree = MenuTree()
    tree.build(Menu(entries))
    assert len(set(tree.children[ROOT])) == 2
    for label in ("x", "y"):
        item = tree.item(number(tree, label))
        assert item
        item(None)
    assert clicked == ["x", "y"]
    assert tree.build(Menu(entries)) == Change()


def test_text_of_an_item_is_one_line_that_can_be_sent() -> None:
    """Whatever somebody has called a file: a NUL, or half a character, would cost the connection."""
    assert Entry("a", "x\0\n\udcff中…", None).text == "x\\x00\\x0a\\xff中…"
