"""A decoder that was taken over: it tries everything, from a lane's thread, inside a photo's job.

`take_over` writes it into a folder for PYTHONPATH; Python runs it at the start of every process, and it waits in the
worker until the decode room is loaded, which is after the sandbox was closed. What came of it is in the sentence with
which the photo fails.
"""

import os
from pathlib import Path

ORDER = b"TRY EVERYTHING"

CODE = '''
import sys

if "bgzero_daemon.worker.main" in sys.orig_argv:
    import importlib.machinery

    def attempts():
        import ctypes, os, signal, socket, subprocess, threading
        from pathlib import Path

        libc = ctypes.CDLL(None, use_errno=True)
        home, parent = Path(os.environ["HOME"]), os.getppid()

        def call(*arguments):
            if libc.syscall(*map(ctypes.c_long, arguments)) < 0:
                raise OSError(ctypes.get_errno(), "refused")

        def ptrace(request):
            if libc.ptrace(ctypes.c_long(request), ctypes.c_long(parent), None, None) < 0:
                raise OSError(ctypes.get_errno(), "refused")

        def fork():
            if not (child := os.fork()):
                os._exit(0)
            os.waitpid(child, 0)

        def descriptors_for_writing():
            """The photo is open for reading only: /proc would open it again."""
            done = 0
            for number in os.listdir("/proc/self/fd"):
                place = os.readlink("/proc/self/fd/" + number)
                if place.startswith("/") and place.endswith((".jpg", ".onnx")):
                    os.close(os.open("/proc/self/fd/" + number, os.O_RDWR))
                    done += 1
            assert done

        def held(ending, flags):
            """The descriptor of a file in hand, by how its name ends and how it was opened."""
            import fcntl

            for number in map(int, os.listdir("/proc/self/fd")):
                try:
                    place = os.readlink(f"/proc/self/fd/{number}").removesuffix(" (deleted)")
                except OSError:
                    continue
                if ending in place and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == flags:
                    return number
            raise AssertionError(ending)

        def own_signals():
            import fcntl

            reading, writing = os.pipe()
            fcntl.fcntl(reading, 8, parent)
            fcntl.fcntl(reading, 8, 0)

        def photo_flags():
            import array, fcntl

            flags = array.array("l", [0])
            number = held(".jpg", os.O_RDONLY)
            fcntl.ioctl(number, 0x80086601, flags)
            fcntl.ioctl(number, 0x40086602, flags)

        def lease():
            import fcntl

            number = held(".jpg", os.O_RDONLY)
            fcntl.fcntl(number, 1024, fcntl.F_RDLCK)
            fcntl.fcntl(number, 1024, fcntl.F_UNLCK)

        def grow():
            number = held(".bgz-", os.O_RDWR)
            os.ftruncate(number, 1 << 40)
            os.ftruncate(number, 0)

        def read_errors():
            """What was the service's own terminal."""
            os.close(os.open("/proc/self/fd/2", os.O_RDWR))
            number = held("pipe:", os.O_WRONLY)
            raise PermissionError(1, f"{number} is a pipe, for writing only")

        def connect():
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(os.environ["XDG_RUNTIME_DIR"] + "/bgzero/control.sock")

        # the harmless ones first: some of these would end what comes after them
        return {
            "read a file at home": lambda: (home / "secret.txt").read_text(),
            "list the home": lambda: os.listdir(home),
            "list the root": lambda: os.listdir("/"),
            "read /etc/passwd": lambda: Path("/etc/passwd").read_text(),
            "list the inbox": lambda: os.listdir(home.parent / "in"),
            "write a file at home": lambda: (home / "new.txt").write_text("x"),
            "write to /tmp": lambda: Path(f"/tmp/bgzero-escape-{os.getpid()}").write_text("x"),
            "write beside the modules": lambda: Path(__file__).with_name("x.py").write_text("x"),
            "append to a file": lambda: (home / "victim.txt").open("a").close(),
            "truncate a file": lambda: os.truncate(home / "victim.txt", 1),
            "delete a photo": lambda: os.unlink(home.parent / "in" / "spare.txt"),
            "make a folder": lambda: os.mkdir(home / "folder"),
            "make a link": lambda: os.symlink("/etc/passwd", home / "link"),
            "change a mode": lambda: os.chmod(home / "victim.txt", 0o777),
            "change a time": lambda: os.utime(home / "victim.txt", (1, 1)),
            "change an attribute": lambda: os.setxattr(home / "victim.txt", "user.x", b"x"),
            "rename a file": lambda: os.rename(home / "victim.txt", home / "other.txt"),
            "delete a file": lambda: os.unlink(home / "doomed.txt"),
            "write to the photo": descriptors_for_writing,
            "an internet socket": lambda: socket.socket(socket.AF_INET).close(),
            "an IPv6 socket": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close(),
            "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
            "a pair of sockets": lambda: socket.socketpair(),
            "the control socket": connect,
            "another process": fork,
            "another program": lambda: subprocess.run(["/bin/true"], check=True),
            "trace the service": lambda: ptrace(0x4206),
            "read the service's environment": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
            "read the service's memory": lambda: os.close(os.open(f"/proc/{parent}/mem", os.O_RDONLY)),
            "a signal to the service": lambda: os.kill(parent, 0),
            "a stop for everybody": lambda: os.kill(-1, 0),
            "a signal by way of a descriptor": own_signals,
            "the service's niceness": lambda: os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(0, parent)),
            "the service's cores": lambda: os.sched_setaffinity(parent, os.sched_getaffinity(parent)),
            "outlive the service": lambda: call({"x86_64": 157, "aarch64": 167}[os.uname().machine], 1, 9),
            "watch the home": lambda: call({"x86_64": 294, "aarch64": 26}[os.uname().machine], 0),
            "read an attribute": lambda: os.listxattr(home / "secret.txt"),
            "hidden memory": lambda: os.close(os.memfd_create("x")),
            "the photo's flags": photo_flags,
            "a lease on the photo": lease,
            "a cut-out without end": grow,
            "the terminal": read_errors,
            "all of the environment": lambda: Path("/proc/self/environ").read_bytes(),
            "who talks to whom": lambda: Path("/proc/self/net/tcp").read_bytes(),
            "io_uring": lambda: call(425, 1, ctypes.addressof(ctypes.create_string_buffer(120))),
            "a user namespace": lambda: call({"x86_64": 272, "aarch64": 97}[os.uname().machine], 0x10000000),
        }

    def hostile(real):
        def decode(content, **options):
            from bgzero_daemon.core.errors import PhotoRefused

            if not content.endswith(b"TRY EVERYTHING"):
                return real(content, **options)
            through, tried = [], attempts()
            for name, attempt in tried.items():
                try:
                    attempt()
                except OSError as error:
                    is_hidden = error.errno == 2 and "read the service's" in name  # ProtectProc=invisible
                    if error.errno in (1, 13, 27, 30) or is_hidden:  # EPERM, EACCES, EFBIG, EROFS
                        continue
                    name += f" ({error.strerror})"
                through.append(name)
            raise PhotoRefused(f"{len(tried)} tried, {len(through)} came through: {', '.join(through)[:300]}.")

        return decode

    class Loader:
        def __init__(self, loader):
            self.loader = loader

        def create_module(self, spec):
            return self.loader.create_module(spec)

        def exec_module(self, module):
            self.loader.exec_module(module)
            module.decode = hostile(module.decode)

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name != "bgzero_daemon.photo.decode":
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            spec.loader = Loader(spec.loader)
            return spec

    sys.meta_path.insert(0, Finder)
'''

TRIED = 46
"""How many things it tries."""


def take_over(folder: Path, home: Path, env: dict[str, str]) -> dict[str, str]:
    """Put the decoder into a folder, and what it is after into a home; return the environment that makes it run."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CODE)
    (home / "secret.txt").write_text("secret")
    (home / "victim.txt").write_text("victim")
    (home / "doomed.txt").write_text("doomed")
    places = [str(folder), *filter(None, [env.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(places)}
