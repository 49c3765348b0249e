"""The sandbox, by trying: a decoder that was taken over gets nowhere, and without the sandbox it does."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bgzero_daemon.sandbox import probes, seccomp, syscalls
from tests.fault.oracle import Oracle
from tests.fault.test_worker import failures
from tests.home import Daemon, Home, photo, until
from tests.security.hostile import ORDER, TRIED, take_over

MACHINE = os.uname().machine
QUICK = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1"}


def came_through(home: Home, daemon: Daemon) -> str:
    """Give the daemon a photo with the order; return what the decoder was able to do, after their number."""
    (home.inbox / "spare.txt").write_text("spare")
    source = photo(home.root / "made.jpg")
    source.write_bytes(source.read_bytes() + ORDER)
    source.rename(home.inbox / "a.jpg")
    until(lambda: failures(home), lambda: daemon.log)
    found = re.search(r"(\d+) tried, (\d+ came through: .*)\.", failures(home)["a.jpg"])
    assert found, failures(home)
    assert int(found[1]) == TRIED
    return found[2]


@pytest.mark.fault("F56")
def test_decoder_that_was_taken_over_gets_nowhere(home: Home) -> None:
    """Files, network, programs, other processes: everything is refused, and the next photo is cut."""
    env = QUICK | take_over(home.root / "hostile", home.root / "home", home.env)
    with home.daemon(**env, BGZERO_WORKER__SANDBOX="require") as daemon:
        assert came_through(home, daemon) == "0 came through: "
        photo(home.inbox / "b.jpg")
        daemon.wait_for("b.png")
        assert b"sandbox closed" in home.bgzero("status").stdout
    assert (home.root / "home" / "victim.txt").read_text() == "victim"
    assert (home.inbox / "spare.txt").exists()


def test_without_the_sandbox_the_same_decoder_gets_everywhere(home: Home) -> None:
    """The control: what is refused above is refused by the sandbox, and the status says that it is off."""
    env = QUICK | take_over(home.root / "hostile", home.root / "home", home.env)
    with home.daemon(**env, BGZERO_WORKER__SANDBOX="off") as daemon:
        through = came_through(home, daemon)
        assert int(through.split()[0]) > 35, through
        assert b"sandbox off" in home.bgzero("status").stdout
        daemon.stop(signal.SIGKILL)  # its worker traces it, and holds it
    assert "read a file at home" in through
    assert (home.root / "home" / "new.txt").exists()
    assert not (home.root / "home" / "doomed.txt").exists()
    assert not (home.inbox / "spare.txt").exists()


def run_closed(code: str, gpu: bool = False) -> "subprocess.CompletedProcess[str]":
    """Run code in a process that closes the sandbox first and says what is still allowed."""
    start = f"from bgzero_daemon.sandbox import closing; print(closing.close(gpu={gpu}), flush=True)\n"
    return subprocess.run([sys.executable, "-u", "-c", start + code], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("gpu", [False, True])
def test_everything_is_measured_and_refused(gpu: bool) -> None:
    """Also where a GPU's device nodes would stay open."""
    done = run_closed("", gpu)
    assert done.stdout == "closed\n", done.stderr


def test_runtimes_of_a_gpu_can_be_read_where_there_is_a_provider_for_one(tmp_path: Path) -> None:
    """ROCm and OpenVINO live in /opt, which is closed else: here below another root, behind links of versions."""
    for folder in ("modules", "opt"):
        (tmp_path / folder).mkdir()
    (tmp_path / "modules" / "onnxruntime_ep_tests.py").touch()
    for name in ("rocm", "intel"):
        (tmp_path / "opt" / f"{name}-6.2").mkdir()
        (tmp_path / "opt" / f"{name}-6.2" / "lib.so").touch()
        (tmp_path / "opt" / name).symlink_to(f"{name}-6.2")
    (tmp_path / "opt" / "secret").touch()
    code = f"""
import os, sys
from bgzero_daemon.sandbox import closing
root = {str(tmp_path)!r}
closing._GPU_READABLE = tuple(root + place for place in closing._GPU_READABLE)
sys.path.append(root + "/modules")
closing.close(gpu=sys.argv[1] == "gpu")
for name in ("rocm/lib.so", "intel/lib.so", "rocm-6.2/lib.so", "secret"):
    try:
        os.close(os.open(f"{{root}}/opt/{{name}}", os.O_RDONLY))
        print("open", end=" ")
    except PermissionError:
        print("closed", end=" ")
"""
    said = [
        subprocess.run([sys.executable, "-c", code, kind], capture_output=True, text=True, timeout=60).stdout
        for kind in ("gpu", "cpu")
    ]
    assert said == ["open open open closed ", "closed closed closed closed "]


def test_each_probe_tells_an_open_sandbox_from_a_closed_one() -> None:
    """Without a sandbox everything comes through, so none of them is refused for another reason."""
    allowed = set(probes.allowed(MACHINE))
    assert set(probes.probes(MACHINE)) - allowed <= {"io_uring"}, "some machines have none"


@pytest.mark.skipif(MACHINE != "x86_64", reason="only there")
@pytest.mark.parametrize(
    ("code", "why"),
    [
        # mov eax, 20 (getpid of 32-bit programs); int 0x80; ret
        (b"\xb8\x14\x00\x00\x00\xcd\x80\xc3", "32-bit calls have other numbers"),
    ],
)
def test_calls_by_another_table_end_the_process(code: bytes, why: str) -> None:
    """What is number 41 here is something else there."""
    run = (
        "import mmap, ctypes\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        f"page.write({code!r})\n"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "print(ctypes.CFUNCTYPE(ctypes.c_int)(at)())\n"
    )
    assert run_closed(run).returncode == -signal.SIGSYS, why


def test_x32_and_unknown_calls_are_refused() -> None:
    """A number with the x32 bit, and one that was made after this program."""
    run = (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for number in (0x40000000 + 41, 0x40000000 + 1, 500):\n"
        "    print(libc.syscall(number, 0, 0, 0), ctypes.get_errno())\n"
    )
    assert run_closed(run).stdout.split("\n")[1:4] == ["-1 1", "-1 1", "-1 38"]


def test_threads_signals_to_oneself_and_own_sockets_go_on() -> None:
    """What a worker needs is left to it."""
    run = (
        "import os, resource, signal, threading\n"
        "thread = threading.Thread(target=lambda: print('thread')); thread.start(); thread.join()\n"
        "resource.getrlimit(resource.RLIMIT_CORE)\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('signal')); os.kill(os.getpid(), signal.SIGUSR1)\n"
        "import json.tool, decimal; print('imports')\n"
        "os.abort()\n"
    )
    done = run_closed(run)
    assert done.stdout.split() == ["closed", "thread", "signal", "imports"], done.stderr
    assert done.returncode == -signal.SIGABRT


def test_numbers_of_calls_are_those_of_this_machines_headers() -> None:
    """The table was made once; a wrong number would refuse the wrong call."""
    headers = [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm-generic/unistd.h")]
    header = headers[syscalls.MACHINES.index(MACHINE)]
    if not header.exists():
        pytest.skip("no kernel headers here")
    known = dict(re.findall(r"#define __NR_(\w+) (\d+)", header.read_text()))
    ours = syscalls.DENIED | syscalls.JUDGED | syscalls.USED
    wrong = {
        name: (numbers, known[name])
        for name, numbers in ours.items()
        if name in known and str(numbers[syscalls.MACHINES.index(MACHINE)]) != known[name]
    }
    assert not wrong
    assert len(known.keys() & ours.keys()) > 100


@pytest.mark.parametrize("machine", syscalls.MACHINES)
def test_filter_is_one_that_the_kernel_takes(machine: str) -> None:
    """Whole lines, not too many, and the last one is reached: every jump stays inside."""
    program = seccomp.program(machine, 42)
    assert len(program) % 8 == 0
    lines = len(program) // 8
    assert 250 < lines < 4096
    for at in range(lines):
        code, then, otherwise = program[8 * at], program[8 * at + 2], program[8 * at + 3]
        if code != 0x06:
            assert at + 1 + max(then, otherwise) < lines


def test_sandbox_that_cannot_be_closed_is_said_or_required(home: Home) -> None:
    """Under a filter that refuses Landlock, as `@system-service` of old systemd does: said, or nothing is cut."""
    refuse = "inject=landlock_create_ruleset:error=EPERM"
    command = ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=landlock_create_ruleset", "-e", refuse]
    command += ["bgzero", "run", "--inbox", str(home.inbox), "--outbox", str(home.outbox)]
    photo(home.inbox / "a.jpg")
    with home.started_by(command, **QUICK) as daemon:
        daemon.wait_for("a.png")
        status = home.bgzero("status").stdout.decode()
        assert "sandbox it still allows reading the home folder" in status
        assert "Landlock cannot be used (Operation not permitted)" in status
        assert daemon.log.count("sandbox is not closed") == 1
    photo(home.inbox / "b.jpg", seed=1)
    with home.started_by(command, **QUICK, BGZERO_WORKER__SANDBOX="require") as daemon:
        until(lambda: "The sandbox cannot be closed" in daemon.log, lambda: daemon.log)
        until(lambda: "The sandbox cannot be closed" in str(Oracle(home).status()["trouble"]), "the status says so")
        assert not failures(home)
    assert not (home.outbox / "b.png").exists()


@pytest.mark.parametrize("abi", [1, 2, 3, 5])
def test_older_kernels_leave_no_gap(tmp_path: Path, abi: int) -> None:
    """Landlock's first versions know neither truncation nor signals nor sockets: the filter does. Emulated here."""
    victim = tmp_path / "victim.txt"
    victim.write_text("victim")
    code = (
        "import fcntl, os\n"
        "from bgzero_daemon.sandbox import closing, landlock\n"
        f"landlock.abi = lambda machine: {abi}\n"
        "print(closing.close(gpu=False))\n"
        "reading, writing = os.pipe()\n"
        f"for deed in (lambda: os.truncate({str(victim)!r}, 1), lambda: os.kill(os.getppid(), 0),\n"
        "             lambda: fcntl.fcntl(reading, 8, os.getppid()), lambda: fcntl.fcntl(reading, 10, 9),\n"
        f"             lambda: open({str(victim)!r}, 'w'), lambda: os.unlink({str(victim)!r})):\n"
        "    try: deed(); print('came through')\n"
        "    except OSError as error: print(error.errno in (1, 13))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["closed", *["True"] * 6], done.stderr
    assert victim.read_text() == "victim"


def test_words_cannot_be_put_into_a_terminals_mouth() -> None:
    """TIOCSTI and TIOCLINUX, by their numbers; other requests go on (and fail here, on what is no terminal)."""
    run = (
        "import fcntl\n"
        "for request in (0x5412, 0x541C, 0x5413):\n"
        "    try: fcntl.ioctl(0, request, b'x' * 8)\n"
        "    except OSError as error: print(error.errno)\n"
    )
    assert run_closed(run).stdout.split() == ["closed", "1", "1", "25"]


def test_other_processes_threads_and_limits_are_out_of_reach() -> None:
    """tgkill, prlimit and clone of a process, by their bare calls; for oneself they work."""
    run = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "from bgzero_daemon.sandbox import syscalls\n"
        "number = lambda name: syscalls.number(name, os.uname().machine)\n"
        "def call(name, *words):\n"
        "    result = libc.syscall(*map(ctypes.c_long, (number(name), *words)))\n"
        "    print(name, ctypes.get_errno() if result < 0 else 'ok')\n"
        "parent, own = os.getppid(), os.getpid()\n"
        "call('tgkill', parent, parent, 0); call('tgkill', own, own, 0)\n"
        "call('prlimit64', parent, 0, 0, 0); call('prlimit64', own, 0, 0, 0); call('prlimit64', 0, 0, 0, 0)\n"
        "call('clone', 17, 0, 0, 0, 0); call('clone3', 0, 0)\n"
    )
    assert run_closed(run).stdout.split("\n")[1:-1] == [
        "tgkill 1", "tgkill ok", "prlimit64 1", "prlimit64 ok", "prlimit64 ok", "clone 1", "clone3 38",
    ]  # fmt: skip


def test_threads_that_run_already_are_said() -> None:
    """Landlock would not bind them, so the sandbox is not closed whatever the new thread of the probes says."""
    code = (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\n"
        "from bgzero_daemon.sandbox import closing; print(closing.close(gpu=False))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "other threads run already" in done.stdout


def test_limits_of_a_closed_process() -> None:
    """No core file, and not more descriptors than it needs."""
    run = "import resource as r; print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NOFILE))"
    assert run_closed(run).stdout.split("\n")[1] == "(0, 0) (256, 256)"


def test_home_among_the_folders_of_modules_stays_closed(tmp_path: Path) -> None:
    """PYTHONPATH=$HOME grants nothing: modules there cannot be loaded any more, and photos' neighbours not read."""
    (tmp_path / "secret.txt").write_text("secret")
    run = f"open({str(tmp_path / 'secret.txt')!r})"
    start = "from bgzero_daemon.sandbox import closing; print(closing.close(gpu=False), flush=True)\n"
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env |= {"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", start + run], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout == "closed\n"
    assert "PermissionError" in done.stderr
