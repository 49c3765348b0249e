"""Reading a folder while somebody else works in it."""

from pathlib import Path

from bgzero_daemon.cards.source import _entries


def test_files_that_go_while_their_folder_is_read_hide_no_others(tmp_path: Path) -> None:
    """All names come from the kernel at once, what is behind them one by one: as in a folder that is synchronised."""
    for number in range(20):
        (tmp_path / f"{number}.jpg").touch()
    found = _entries(str(tmp_path))
    first, _stat = next(found)
    others = sorted(file.name for file in tmp_path.iterdir() if file.name != first)
    for name in others[::2]:
        (tmp_path / name).unlink()
    assert sorted(name for name, _stat in found) == others[1::2]
