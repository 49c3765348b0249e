"""A second try by another model, where the first one's cut-out wants a look."""

from tests import tiny
from tests.fault.oracle import Oracle, sha256, tag_of
from tests.flow.test_review import foggy, kept, listed, say, write_config
from tests.home import Home, photo, until

SURE = 400.0  # a gain with which fog is solid
BLIND_PX = 160  # of 320 columns


def test_better_of_two_cut_outs_is_kept(home: Home) -> None:
    """Once, after all others. Of two that are doubtful it is the second; where that finds nothing, the first.

    One that looks fine in the end leaves the review folder, and its original moves; the others wait for a look.
    """
    tiny.install(home.models, "other", gain=SURE, blind_px=BLIND_PX)
    config = write_config(home, 'originals = "move"', 'check = "review"', '[model]\nsecond_model = "other"')
    contents = {
        "sure": sha256(foggy(home.inbox / "sure.png", left=60)),
        "alike": sha256(foggy(home.inbox / "alike.png", seed=1, left=60, inside=128)),
        "unseen": sha256(foggy(home.inbox / "unseen.png", seed=2, left=0)),
    }
    for seed in range(2):
        photo(home.inbox / f"b{seed}.png", seed=seed)
    done = home.bgzero("run", "--once", "--config", config)
    assert done.returncode == 0, done.stderr
    log = done.stderr.decode()
    assert home.visible() == ["Review/alike.png", "Review/unseen.png", "b0.png", "b1.png", "sure.png"]
    models = [tag_of(home.outbox / name)["model"] for name in home.visible()]
    assert models == ["other", "tiny", "tiny", "tiny", "other"]
    assert "5 cut, 0 failed, 0 skipped" in log
    lines = log.splitlines()
    second = next(at for at, line in enumerate(lines) if "model other on" in line)
    assert all(at < second for at, line in enumerate(lines) if any(f"b{n}.png: done" in line for n in range(2)))
    assert sum("(cut once more with other)" in line for line in lines) == 3
    assert sum("the second try with other came to nothing" in line for line in lines) == 1
    places = {name: home.root / "Done" if name == "sure" else home.inbox for name in contents}
    assert {name: sha256(places[name] / f"{name}.png") for name in contents} == contents


def test_second_model_comes_and_goes(home: Home) -> None:
    """Not installed, installed meanwhile, taken away while it is in use: said once each, and missed by nobody."""
    config = write_config(home, '[model]\nsecond_model = "other"')

    def settled(name: str) -> tuple[str, str]:
        Oracle(home).wait_until_settled()
        return kept(home, name)[1], str(tag_of(home.outbox / name)["model"])

    with home.daemon("--config", config) as daemon:
        foggy(home.inbox / "a.png")
        daemon.wait_for("a.png")
        assert settled("a.png") == ("check", "tiny")
        say(home, "reload")
        assert daemon.log.count("Doubtful photos are not cut again with other") == 1
        weights = tiny.install(home.models, "other", gain=SURE)
        say(home, "reload")  # nothing has changed but what is installed
        foggy(home.inbox / "b.png", seed=1)
        until(lambda: kept(home, "b.png")[1] == "fine", lambda: daemon.log)
        assert settled("b.png") == ("fine", "other")
        photo(home.inbox / "c.png")  # its worker is not that of the second model
        daemon.wait_for("c.png")
        weights.unlink()
        foggy(home.inbox / "d.png", seed=2)
        until(lambda: kept(home, "d.png")[:2] == ("done", "check"), lambda: daemon.log)
        assert settled("d.png") == ("check", "tiny")
        assert daemon.log.count("Doubtful photos are not cut again with other") == 2
        assert Oracle(home).status()["state"] == "watching"
        assert listed(home) == ["a.png", "d.png"]
