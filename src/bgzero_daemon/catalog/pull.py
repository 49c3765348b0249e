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
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import urllib3
from urllib3 import exceptions

from bgzero_daemon.catalog.supply import Broken, Missing, Stream
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

_MOST_REDIRECTS = 5
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
_WHOLE = re.compile(r"bytes \*/(\d+)")


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
        with _translated(self.shown(place)):
            response = self._ask(place, start)
        try:
            yield self._body(response, place, start)
        finally:
            response.close()
            response.release_conn()

    def _ask(self, url: str, start: int) -> urllib3.BaseHTTPResponse:
        for _hop in range(_MOST_REDIRECTS + 1):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise Broken(_("it is no address of a web server"))
            headers = {"Accept-Encoding": "identity", "User-Agent": "bgzero"}
            if start:
                headers["Range"] = f"bytes={start}-"
            if parts.username:
                headers |= urllib3.make_headers(basic_auth=unquote(f"{parts.username}:{parts.password or ''}"))
            bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
            response = self._pool(parts.scheme, parts.hostname).request(
                "GET", bare, headers=headers, preload_content=False, redirect=False, retries=False,
                timeout=self._timeout,
            )  # fmt: skip
            target = response.get_redirect_location()
            if not target:
                return response
            response.close()
            url, former = urljoin(bare, target), parts.scheme
            if former == "https" and urlsplit(url).scheme != "https":
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
        if status == 416 and (whole := _WHOLE.fullmatch(told.get("Content-Range", ""))) and int(whole[1]) == start:
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
        return _Body(response, at, int(length) if length.isdecimal() else None, self.shown(place))

    def beside(self, place: str, name: str) -> str:
        """Return the address of another file in the same folder."""
        return urljoin(place, name)

    def shown(self, place: str) -> str:
        """Return the address without a name and password, or what else is nobody's business."""
        parts = urlsplit(place)
        return display(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")))


def _through(proxy: str) -> urllib3.ProxyManager:
    """Return a pool of connections through a proxy. Raises Broken where it is none that we can use."""
    address = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Broken(_("the proxy {proxy} is of a kind that is not understood; http and https are").format(
            proxy=display(parts.scheme or proxy)
        ))  # fmt: skip
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
            sentence = _("{host} is not known here; is there a network?")
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
