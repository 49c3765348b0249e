"""The end of a service's work, with a scheduler whose photos have ended."""

from types import SimpleNamespace

from bgzero_daemon.service.workshop import Workshop


class Ended:
    """One photo is in work as far as anybody has looked, and has ended."""

    def __init__(self) -> None:
        self.in_work = {"1"}

    def collect(self, _now: float) -> None:
        """See that it has ended."""
        self.in_work.clear()


def test_end_does_not_wait_for_what_has_ended_already() -> None:
    """A photo's end and the signal come at once, and one wake is seen for both: nobody would wake us again."""
    workshop = Workshop.__new__(Workshop)
    workshop.scheduler = Ended()  # type: ignore[assignment]
    waited: list[float] = []
    workshop.finish(60.0, waited.append, lambda: False)
    assert waited == []


def test_end_waits_for_what_is_in_work() -> None:
    """Until it has ended, and no longer; a second signal ends that."""
    workshop = Workshop.__new__(Workshop)
    workshop.scheduler = SimpleNamespace(in_work={"1"}, collect=lambda _now: None)  # type: ignore[assignment]
    waited: list[float] = []
    workshop.finish(60.0, waited.append, lambda: len(waited) > 2)
    assert len(waited) == 3
    assert all(50 < seconds <= 60 for seconds in waited)
