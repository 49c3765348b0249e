"""A menu as a panel sees it: numbers, properties and an order, and what has changed since it looked last."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from bgzero_daemon.tray.entries import SEPARATOR, Entry, PystrayItem, PystrayMenu

Value = str | int | bool
Properties = dict[str, Value]

ROOT = 0
_REMEMBERED = 1000  # items that are gone and may still be clicked: a panel shows them for a moment more


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
        self._numbers: dict[tuple[str, ...], int] = {}
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
        if children != self.children:
            self.children = children
            self.revision += 1
            return Change(layout=True)
        updated = {
            number: {key: value for key, value in now.items() if former[number].get(key) != value}
            for number, now in properties.items()
        }
        removed = {number: [key for key in former[number] if key not in now] for number, now in properties.items()}
        return Change(
            updated={number: changed for number, changed in updated.items() if changed},
            removed={number: gone for number, gone in removed.items() if gone},
        )

    def _walk(
        self, menu: PystrayMenu | None, path: tuple[str, ...], parent: int, properties: dict[int, Properties],
        children: dict[int, list[int]], items: dict[int, PystrayItem],
    ) -> None:  # fmt: skip
        children[parent] = []
        for place, item in enumerate(menu or ()):
            key = item.key if isinstance(item, Entry) else f"#{place}"
            number = self._number((*path, key))
            children[parent].append(number)
            children[number] = []
            items[number] = item
            properties[number] = _properties_of(item)
            if item.submenu:
                self._walk(item.submenu, (*path, key), number, properties, children, items)

    def _number(self, path: tuple[str, ...]) -> int:
        return self._numbers.setdefault(path, len(self._numbers) + 1)

    def _remember(self, items: Mapping[int, PystrayItem]) -> None:
        for number, item in items.items():
            self._items[number] = item
            self._items.move_to_end(number)
        while len(self._items) > _REMEMBERED:
            self._items.popitem(last=False)

    def item(self, number: int) -> PystrayItem | None:
        """Return what a number stands for, gone or not; None for what nobody can have seen, or cannot be clicked."""
        item = self._items.get(number)
        return item if item is not None and item is not SEPARATOR and item.enabled and not item.submenu else None


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
