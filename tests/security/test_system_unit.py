"""The system unit, started by a real system manager: a systemd that is the first process of its own namespaces.

That takes root, so the tests of an ordinary user skip it, and `.ci/run` runs it apart.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import tiny
from tests.home import PROGRAM, photo, until
from tests.security.hostile import CODE, ORDER
from tests.security.manager import SYSTEMD, UNITS

PROJECT = Path(__file__).parents[2]
ACCOUNT = "nobody"
UNIT = f"bgzero@{ACCOUNT}.service"

# A root of its own, in which every change goes into memory: the manager boots as if the machine were its own, and
# cleans /tmp, among other things. What is the kernel's (sysctl, devices) it may only read.
NEST = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
for place in dev run srv tmp; do mount -t tmpfs tmpfs $place; done
chmod 1777 tmp
mkdir dev/shm dev/pts run/lock run/old
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mknod -m 666 dev/tty c 5 0
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 dev/${{node%:*}} c 1 ${{node#*:}}; done
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
fi
mkdir -p run/systemd/system
printf '[Unit]\\nDescription=nest\\nAllowIsolate=yes\\nDefaultDependencies=no\\n' > run/systemd/system/nest.target
{shown}
pivot_root . run/old
cd /
umount -l /run/old
export container=test
exec {systemd} --system --unit=nest.target --log-target=null --show-status=no
"""


class Nest:
    """The manager, and commands inside its namespaces."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside; return what it printed."""
        inside = ["nsenter", "-t", str(self.pid), "-a", *command]
        done = subprocess.run(inside, capture_output=True, text=True, timeout=60)
        assert not check or not done.returncode, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def show(self, name: str) -> str:
        """Return a property of the unit."""
        return self.run("systemctl", "show", "--value", "-p", name, UNIT).strip()


@contextmanager
def nest(shown: list[str]) -> Iterator[Nest]:
    """Start the manager, which is shown some folders. Skips where that takes more than this account or machine has."""
    if os.getuid() or not SYSTEMD.exists() or not shutil.which("nsenter"):
        pytest.skip("only root can start a system manager: .ci/run does")
    binds = "\n".join(f"mkdir -p .{place}; mount --bind {place} .{place}" for place in shown)
    spaces = ["--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--mount-proc"]
    command = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        *spaces,
        "bash",
        "-c",
        NEST.format(systemd=SYSTEMD, shown=binds),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until(lambda: process.poll() is not None or _first(process.pid), "it is born", 10)
        if process.poll() is not None:
            assert process.stderr
            pytest.skip(f"NO SYSTEM MANAGER HERE: {process.stderr.read().decode(errors='replace')[-200:]}")
        inside = Nest(_first(process.pid))
        until(lambda: "running" in inside.run("systemctl", "is-system-running", check=False), "it is up", 20)
        yield inside
    finally:
        process.kill()
        process.wait(10)
        assert process.stderr
        process.stderr.close()


def _first(pid: int) -> int:
    """Return the first process of the new namespaces, once it is systemd; 0 before."""
    with contextlib.suppress(OSError, IndexError):
        child = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
            return child
    return 0


@pytest.fixture
def shown() -> Iterator[Path]:
    """A folder of the test's that everybody may enter; pytest's own are for one account."""
    with tempfile.TemporaryDirectory(prefix="bgzero-unit-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_system_unit_works_and_leaves_a_hostile_decoder_nothing(shown: Path) -> None:
    """As its comments say: account, folders, one drop-in. Cut, refused what it must not do, stopped without a rest."""
    if Path(sys.base_prefix).is_relative_to("/root") or Path(sys.base_prefix).is_relative_to("/home"):
        pytest.skip("this Python lies in a home, which the unit hides")
    models = shown / "models"
    tiny.install(models)
    hostile = shown / "hostile"
    hostile.mkdir()
    (hostile / "sitecustomize.py").write_text(CODE)
    good = photo(shown / "good.jpg")
    bad = photo(shown / "bad.jpg", seed=1)
    bad.write_bytes(bad.read_bytes() + ORDER)
    units = shown / "units"
    (units / f"{UNIT}.d").mkdir(parents=True)
    shutil.copy(UNITS / "bgzero@.service", units)
    shutil.copy(UNITS / "folders.conf", units / f"{UNIT}.d")
    # this checkout and its packages lie in /tmp or a home, which the unit hides: shown to it, for reading
    seen = sorted({str(PROJECT), sys.prefix, str(Path(sys.base_prefix).resolve()), str(shown)} - {"/usr"})
    drop_in = [
        "[Unit]",
        "DefaultDependencies=no",
        "[Service]",
        "ExecStart=",
        f"ExecStart={PROGRAM[0]} run",
        "StandardError=append:/run/bgzero.log",
    ]
    drop_in += [f"BindReadOnlyPaths={place}" for place in seen]
    drop_in += [f"Environment=BGZERO_MODEL__NAME={models}/tiny.onnx", "Environment=BGZERO_WATCH__SETTLE_SECONDS=0.2"]
    drop_in += [f"Environment=PYTHONPATH={hostile}", "Environment=BGZERO_OUTPUT__KEEP_FREE=0"]
    drop_in += ["Environment=HOME=/srv/photos/home", "Environment=XDG_RUNTIME_DIR="]
    (units / f"{UNIT}.d" / "test.conf").write_text("\n".join(drop_in) + "\n")
    with nest(seen) as inside:
        inside.run("sh", "-c", f"cp -r {units}/. /run/systemd/system/")
        inside.run(
            "sh", "-c", f"mkdir -p /srv/photos/in /srv/photos/out /srv/photos/home; chown -R {ACCOUNT}: /srv/photos"
        )
        for name in ("home/secret.txt", "home/victim.txt", "home/doomed.txt", "in/spare.txt"):
            inside.run("sh", "-c", f"echo x > /srv/photos/{name}; chown {ACCOUNT}: /srv/photos/{name}")
        inside.run("systemctl", "daemon-reload")
        started = inside.run("sh", "-c", f"systemctl start {UNIT} || (systemctl status {UNIT}; cat /run/bgzero.log)")
        assert inside.show("ActiveState") == "active", started

        def log() -> str:
            return inside.run("cat", "/run/bgzero.log")

        inside.run("sh", "-c", f"cp {good} /srv/photos/in/a.jpg; cp {bad} /srv/photos/in/b.jpg")
        until(lambda: "a.png" in inside.run("ls", "/srv/photos/out"), log)
        until(lambda: "b.jpg: failed" in log(), log)
        assert "46 tried, 0 came through: ." in log(), log()
        assert "sandbox" not in log(), "it closed; where it does not, nothing is cut"
        main = int(inside.show("MainPID"))
        until(lambda: inside.show("StatusText") == "0 waiting, 1 done, 1 failed", lambda: inside.show("StatusText"))
        # what only this unit gives: no network, nothing writable but its own, nobody's home, no capability
        devices = inside.run("cat", f"/proc/{main}/net/dev").splitlines()[2:]
        assert [line.split(":")[0].strip() for line in devices] == ["lo"]
        here = ["nsenter", "-t", str(main), "--mount"]
        writable = inside.run(
            *here, "sh", "-c", "for d in / /etc /usr /srv /srv/photos/out; do mkdir $d/x 2>&1; done; true"
        )
        assert writable.count("Read-only file system") == 4
        assert inside.run(*here, "sh", "-c", "ls -A /home /root").split() == ["/home:", "/root:"]
        status = inside.run("cat", f"/proc/{main}/status")
        assert "CapBnd:\t0000000000000000" in status
        owner = inside.run("stat", "-c", "%U %a", "/srv/photos/out/a.png").strip()
        assert owner == f"{ACCOUNT} 644"
        modes = inside.run("sh", "-c", f"stat -L -c '%a' /run/bgzero-{ACCOUNT} /var/lib/bgzero-{ACCOUNT}").split()
        assert modes == ["700", "700"]
        ask = ["setpriv", "--reuid", ACCOUNT, "--clear-groups", "env", f"RUNTIME_DIRECTORY=/run/bgzero-{ACCOUNT}"]
        assert "sandbox closed" in inside.run(*ask, PROGRAM[0], "status")
        inside.run("systemctl", "stop", UNIT)
        assert inside.show("Result") == "success"
        assert not [pid for pid in inside.run("pgrep", "-u", ACCOUNT, check=False).split() if pid]
