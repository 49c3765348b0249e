"""The only room that reaches a network, and only when somebody gives `bgzero model pull`.

Proxies and certificates come from the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, with names and
passwords in them; SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE beside the system's own. Nothing
is told to a server but the file that is wanted.
"""

import os
import re
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

import urllib3
from urllib3 import exceptions

from bgzero_daemon.catalog.supply import Broken, Missing, Stream
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

_MOST_REDIRECTS = 5
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# a number of more digits is a lie, and int() refuses to read it
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]+/(?:[0-9]+|\*)")
_WHOLE = re.compile(r"bytes \*/([0-9]{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")


@dataclass(slots=True)
class _Body:
    response: urllib3.BaseHTTPResponse
    start: int
    length: int | None
    shown: str

    def read(self, most: int) -> bytes:
        with _translated(self.shown):
            return self.response.read1(most, decode_content=False)


class Web:
    """Files of HTTP servers. `patience_seconds`: for a connection, and for each answer on it."""

    def __init__(self, *, patience_seconds: float) -> None:
        self._timeout = urllib3.Timeout(connect=patience_seconds, read=patience_seconds)
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._proxies = urllib.request.getproxies()

    @contextmanager
    def open(self, place: str, start: int = 0) -> Iterator[Stream]:
        """Ask for a file from `start` on, and follow where the server sends us. Raises Missing, and Broken."""
        response = self._ask(place, start)
        if response.status == 416 and not _has_all(response, start):  # less is there than we have: from the beginning
            response.close()
            response, start = self._ask(place, 0), 0
        try:
            yield self._body(response, place, start)
        finally:
            response.close()
            response.release_conn()

    def _ask(self, url: str, start: int) -> urllib3.BaseHTTPResponse:
        for _hop in range(_MOST_REDIRECTS + 1):
            parts = _split(url)
            headers = {"Accept-Encoding": "identity", "User-Agent": "bgzero"}
            if start:
                headers["Range"] = f"bytes={start}-"
            if parts.username:
                headers |= urllib3.make_headers(basic_auth=unquote(f"{parts.username}:{parts.password or ''}"))
            bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
            with _translated(bare):
                response = self._pool(parts.scheme, str(parts.hostname)).request(
                    "GET", bare, headers=headers, preload_content=False, redirect=False, retries=False,
                    timeout=self._timeout,
                )  # fmt: skip
            target = response.get_redirect_location()
            if not target:
                return response
            response.close()
            url = _joined(bare, target)
            if parts.scheme == "https" and _split(url).scheme != "https":
                raise Broken(_("it sends us to a place that is not protected"))
        raise Broken(_("it sends us from one place to the next"))

    def _pool(self, scheme: str, host: str) -> urllib3.PoolManager:
        proxy = self._proxies.get(scheme) or self._proxies.get("all") or ""
        if proxy and urllib.request.proxy_bypass(host):
            proxy = ""
        if proxy not in self._pools:
            self._pools[proxy] = _through(proxy) if proxy else urllib3.PoolManager(ssl_context=_context())
        return self._pools[proxy]

    def _body(self, response: urllib3.BaseHTTPResponse, place: str, start: int) -> Stream:
        """Read what the answer says of itself. Raises Missing, and Broken."""
        status, told = response.status, response.headers
        if status in (404, 410):
            raise Missing(self.shown(place))
        if status == 416 and start and _has_all(response, start):
            return _Body(response, start, 0, self.shown(place))
        if status not in (200, 206):
            raise _refusal(status, response.reason)
        if told.get("Content-Encoding", "identity") != "identity":
            raise Broken(_("it sends something else than the file: a packed form of it"))
        at = 0
        if status == 206:
            found = _RANGE.fullmatch(told.get("Content-Range", ""))
            if not found:
                raise Broken(_("it does not say which part it sends"))
            at = int(found[1])
        length = told.get("Content-Length", "")
        return _Body(response, at, int(length) if _LENGTH.fullmatch(length) else None, self.shown(place))

    def beside(self, place: str, name: str) -> str:
        """Return the address of another file in the same folder."""
        return urljoin(place, quote(name))

    def shown(self, place: str) -> str:
        """Return the address without a name and password, or what else is nobody's business."""
        parts = urlsplit(place)
        return display(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")))


def _split(url: str) -> SplitResult:
    """Take an address of a web server apart. Raises Broken where it is none."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise Broken(_("it is no address of a web server"))
    return parts


def _joined(base: str, target: str) -> str:
    try:
        return urljoin(base, target)
    except ValueError:
        return ""


def _has_all(response: urllib3.BaseHTTPResponse, start: int) -> bool:
    """Say whether a server refuses a range because nothing is left of the file, or nothing was asked for."""
    found = _WHOLE.fullmatch(response.headers.get("Content-Range", ""))
    return start == 0 or (found is not None and int(found[1]) == start)


def _through(proxy: str) -> urllib3.ProxyManager:
    """Return a pool of connections through a proxy. Raises Broken where it is none that we can use."""
    address = proxy if "://" in proxy else f"http://{proxy}"
    scheme = address.partition("://")[0]
    if scheme not in ("http", "https"):
        raise Broken(_("the proxy is of the kind {kind}, which is not understood; http and https are").format(
            kind=display(scheme) or "?"
        ))  # fmt: skip
    try:
        parts = _split(address)
    except Broken:  # nothing of it is shown: it may hold a password
        raise Broken(
            _("the address of the proxy makes no sense"),
            hint=_("It is http://NAME:PASSWORD@HOST:PORT, with %XX for letters that mean something else there."),
        ) from None
    headers = None
    if parts.username:
        headers = urllib3.make_headers(proxy_basic_auth=unquote(f"{parts.username}:{parts.password or ''}"))
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
    return urllib3.ProxyManager(bare, proxy_headers=headers, ssl_context=_context(), proxy_ssl_context=_context())


def _context() -> ssl.SSLContext:
    """Return what certificates are judged by. Raises Broken where a variable leads nowhere."""
    context = ssl.create_default_context()  # OpenSSL's own places, or SSL_CERT_FILE and SSL_CERT_DIR
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if more := os.environ.get(variable):
            try:
                context.load_verify_locations(**{"capath" if os.path.isdir(more) else "cafile": more})
            except (OSError, ssl.SSLError) as error:
                raise Broken(
                    _("the certificates that {variable} names cannot be read: {why}").format(
                        variable=variable, why=error.strerror or error
                    )
                ) from error
    return context


def _refusal(status: int, reason: str | None) -> Broken:
    said = f"{status} {display(reason or '')}".strip()
    if status in (401, 403):
        return Broken(
            _("it does not let everybody in ({said})").format(said=said),
            hint=_("Fetch the file as its publisher wants it, and name its folder with --from."),
        )
    if status == 407:
        return Broken(
            _("the proxy wants a name and a password ({said})").format(said=said),
            hint=_("HTTPS_PROXY takes them: http://NAME:PASSWORD@HOST:PORT."),
        )
    return Broken(_("it answers {said}").format(said=said), is_passing=status in _PASSING)


@contextmanager
def _translated(shown: str) -> Iterator[None]:
    """Turn what the client raises into Broken, with a sentence."""
    try:
        yield
    except (exceptions.HTTPError, OSError) as error:
        raise _as_broken(urlsplit(shown).netloc, error) from error


def _as_broken(host: str, error: Exception) -> Broken:
    match error:
        case exceptions.SSLError():
            return _untrusted(host, error)
        case exceptions.ProxyError():
            return _proxy_trouble(host, error)
        case exceptions.NameResolutionError():
            sentence = _("the name {host} is not known, or there is no network")
        case exceptions.NewConnectionError():
            sentence = _("{host} does not take a connection")
        case exceptions.TimeoutError():
            sentence = _("{host} does not answer in time")
        case exceptions.ProtocolError() | OSError():
            sentence = _("the connection to {host} broke")
        case _:
            return Broken(_short(error))
    return Broken(sentence.format(host=host), is_passing=True)


def _proxy_trouble(host: str, error: exceptions.ProxyError) -> Broken:
    if isinstance(error.original_error, exceptions.SSLError):
        return _untrusted(host, error.original_error)
    if "407" in str(error.original_error):
        return _refusal(407, "")
    if isinstance(error.original_error, exceptions.NewConnectionError):
        why = _("it does not take a connection")
    else:
        why = _short(error.original_error)
    return Broken(_("the proxy does not lead to {host}: {why}").format(host=host, why=why), is_passing=True)


def _untrusted(host: str, error: Exception) -> Broken:
    found = re.search(r"certificate verify failed: ([^(]*)", str(error))
    if found:
        sentence = _("the certificate of {host} is not trusted here: {why}").format(host=host, why=found[1].strip())
        return Broken(sentence, hint=_("If a proxy of yours opens what is sent, name its certificate: SSL_CERT_FILE."))
    return Broken(_("no protected connection to {host}: {why}").format(host=host, why=_short(error)))


def _short(error: Exception) -> str:
    return display(" ".join(str(error).split()))[:200]
