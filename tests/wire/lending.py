"""Descriptors that tell whether a copy of them is still open anywhere in this process."""

import os


def descriptors_open() -> set[str]:
    """Return the numbers of this process's open descriptors."""
    return {number for number in os.listdir("/dev/fd") if os.path.lexists(f"/dev/fd/{number}")}


class Lent:
    """The write ends of pipes whose read ends tell, by an end of file, that nobody holds a write end any more."""

    def __init__(self, count: int) -> None:
        ends = [os.pipe() for _number in range(count)]
        self.reading, self.lent = [end[0] for end in ends], tuple(end[1] for end in ends)
        for end in self.reading:
            os.set_blocking(end, False)

    def close_own(self) -> None:
        """Close what this side lent."""
        for end in self.lent:
            os.close(end)

    def all_closed(self) -> bool:
        """Say whether no copy is left anywhere in this process."""
        closed = True
        for end in self.reading:
            try:
                closed = closed and os.read(end, 1) == b""
            except BlockingIOError:
                closed = False
        return closed

    def end(self) -> None:
        """Close the read ends."""
        for end in self.reading:
            os.close(end)
