"""A menu as a panel sees it: numbers, properties and an order, and what has changed since it looked last."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bgzero_daemon.tray.entries import SEPARATOR, Entry, PystrayItem, PystrayMenu

Value = str | int | bool
Properties = dict[str, Value]

ROOT = 0
_REMEMBERED = 1000  # items, those that are gone included: a panel shows them for a moment more, and they may be clicked


@dataclass(frozen=True, slots=True)
class Change:
    """What to tell a panel: that the order is another one, or which properties are."""

    layout: bool = False
    updated: Mapping[int, Properties] = field(default_factory=dict)
    removed: Mapping[int, list[str]] = field(default_factory=dict)


class MenuTree:
    """Not for two threads at once. `properties` and `children` are by number, `ROOT` is the menu itself.

    While it is open its order stays: lines that come and go under the pointer could not be used. What they say changes.
    """

    def __init__(self) -> None:
        self.properties: dict[int, Properties] = {ROOT: {"children-display": "submenu"}}
        self.children: dict[int, list[int]] = {ROOT: []}
        self.revision = 1
        self.is_open = False
        self._numbers: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._latest = ROOT  # numbers are given once: a click on a line that is long gone must not mean another one
        self._items: OrderedDict[int, PystrayItem] = OrderedDict()

    def build(self, menu: PystrayMenu | None) -> Change:
        """Look at the menu anew."""
        properties: dict[int, Properties] = {ROOT: {"children-display": "submenu"}}
        children: dict[int, list[int]] = {}
        items: dict[int, PystrayItem] = {}
        self._walk(menu, (), ROOT, properties, children, items)
        if self.is_open and children != self.children:
            # those that are shown say what is new; those that are gone stay as they were, and new ones wait
            properties = {number: properties.get(number, former) for number, former in self.properties.items()}
            items = {number: item for number, item in items.items() if number in properties}
            children = self.children
        former, self.properties = self.properties, properties
        self._remember(items)
        is_new = children != self.children
        self.children = children
        self.revision += is_new
        both = {number: (former[number], now) for number, now in properties.items() if number in former}
        updated = {
            number: {key: value for key, value in now.items() if before.get(key) != value}
            for number, (before, now) in both.items()
        }
        removed = {number: [key for key in before if key not in now] for number, (before, now) in both.items()}
        return Change(
            layout=is_new,
            updated={number: changed for number, changed in updated.items() if changed},
            removed={number: gone for number, gone in removed.items() if gone},
        )

    def _walk(
        self, menu: PystrayMenu | None, path: tuple[str, ...], parent: int, properties: dict[int, Properties],
        children: dict[int, list[int]], items: dict[int, PystrayItem],
    ) -> None:  # fmt: skip
        lines = list(menu or ())
        keys = _keys_of(lines)
        children[parent] = self._numbers_of(path, keys, parent)
        for number, key, item in zip(children[parent], keys, lines, strict=True):
            children[number] = []
            items[number] = item
            properties[number] = _properties_of(item)
            if item.submenu:
                self._walk(item.submenu, (*path, key), number, properties, children, items)

    def _numbers_of(self, path: tuple[str, ...], keys: Sequence[str], parent: int) -> list[int]:
        """Return the numbers of all that stands below one item; all of them new where the former ones mislead panels.

        The extension that GNOME's users have puts in what is new and takes out what is gone, but moves nothing.
        """
        if not self.is_open:
            former = self.children.get(parent, [])
            known = [self._numbers.get((*path, key)) for key in keys]
            stays = [number if number in former else None for number in known]
            back = {(*path, key) for key, number in zip(keys, stays, strict=True) if number is None}
            self._forget(back if _is_reached(former, stays) else {(*path, key) for key in keys}, len(path) + 1)
        return [self._number((*path, key)) for key in keys]

    def _forget(self, paths: set[tuple[str, ...]], length: int) -> None:
        """Give paths of this length, and all below them, other numbers the next time: panels may know the old ones."""
        if paths:
            kept = ((path, number) for path, number in self._numbers.items() if path[:length] not in paths)
            self._numbers = OrderedDict(kept)

    def _number(self, path: tuple[str, ...]) -> int:
        if path not in self._numbers:
            self._latest += 1
            self._numbers[path] = self._latest
        self._numbers.move_to_end(path)  # those that are shown outlast those that are gone
        return self._numbers[path]

    def _remember(self, items: Mapping[int, PystrayItem]) -> None:
        for number, item in items.items():
            self._items[number] = item
            self._items.move_to_end(number)
        most = max(_REMEMBERED, 2 * len(self.properties))
        for remembered in (self._items, self._numbers):
            while len(remembered) > most:
                remembered.popitem(last=False)

    def item(self, number: int) -> PystrayItem | None:
        """Return what a number stands for, gone or not; None for what nobody can have seen, or cannot be clicked."""
        item = self._items.get(number)
        return item if item is not None and item is not SEPARATOR and item.enabled and not item.submenu else None


def _is_reached(former: Sequence[int], wanted: list[int | None]) -> bool:
    """Say whether putting new items (None) in at their places, then taking out old ones, leads to what is wanted."""
    shown: list[int | None] = list(former)
    for place, number in enumerate(wanted):
        if number is None:
            shown.insert(place, None)
    return [number for number in shown if number in wanted] == wanted


def _keys_of(items: Sequence[PystrayItem]) -> list[str]:
    """Return a name for each item; no two have the same."""
    found: dict[str, None] = {}
    for place, item in enumerate(items):
        key = item.key if isinstance(item, Entry) else f"#{place}"
        found[key if key not in found else f"{key}#{place}"] = None
    return list(found)


def _properties_of(item: PystrayItem) -> Properties:
    """Return what com.canonical.dbusmenu says of an item; what has its usual value is left out."""
    if item is SEPARATOR:
        return {"type": "separator"}
    found: Properties = {"label": item.text.replace("_", "__")}  # a single one marks an access key
    if not item.enabled and not item.submenu:
        found["enabled"] = False
    if item.checked is not None:
        found["toggle-type"] = "radio" if item.radio else "checkmark"
        found["toggle-state"] = int(bool(item.checked))
    if item.submenu:
        found["children-display"] = "submenu"
    return found
