"""Owns the requests to Argilla and how they fail: every failure becomes one of loopd's errors.

Must not know what is asked for, and retries nothing: that is the loop's business.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from loopd.annotation.http_client import FORK_KEY_HEADER, KEY_HEADER, Front, make_client
from loopd.annotation.http_errors import (
    ConflictError,
    FrontError,
    NoRouteError,
    NotFoundError,
    TooLargeError,
    checked_content,
    first_contact,
)
from loopd.errors import ArgillaError, AuthError, TransientError

__all__ = [
    "ArgillaHttp",
    "ConflictError",
    "Front",
    "FrontError",
    "NoRouteError",
    "NotFoundError",
    "TooLargeError",
    "first_contact",
    "quoted",
    "second_look",
    "secrets_in",
    "send",
]

_DETAIL = 300
_SHORTEST = 4
_PLAIN = {"accept", "accept-encoding", "connection", "content-type", "host", "user-agent"}
_IS_IT_UP = "is it running, and is argilla.url right? `loopd serve` starts one on this machine"
_LONG = 5.0
"""Seconds after which a connection that is cut was cut because it took long."""
_EXPIRED = 10
_OTHER_HOST = (62, 64)


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (httpx.ConnectTimeout, "nobody takes the call"),
    (httpx.PoolTimeout, "all connections are busy"),
    (httpx.TimeoutException, "time ran out"),
    (httpx.DecodingError, "the answer cannot be unpacked"),
    (httpx.UnsupportedProtocol, "it is no address of the web"),
)


class ArgillaHttp:
    """JSON requests to one Argilla server, from any thread.

    Args:
        url: base address.
        api_key: of an account that may manage the workspace.
        timeout: seconds for one request.
        front: what lies between.
    """

    def __init__(self, url: str, api_key: str, timeout: float, front: Front | None = None) -> None:
        self.url = url
        self._client = make_client(url, api_key, timeout, front or Front())
        self._lock = threading.Lock()
        self._under_way = 0
        self._closed = False

    def get(self, path: str, **params: Any) -> Any:
        """The JSON answer to a GET."""
        return self.request("GET", path, params=params)

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON answer, ``None`` when there is no body.

        Raises:
            TransientError: no connection, time-out, HTTP 5xx, 408 or 429.
            FrontError: an answer that is not Argilla's own; transient, too.
            AuthError: HTTP 401 or 403 of Argilla.
            NotFoundError, ConflictError, ArgillaError: other refusals of Argilla.
            ArgillaError: a certificate that does not verify.
        """
        with self._lock:
            if self._closed:
                raise TransientError(f"the connections to Argilla at {self.url} are closed")
            self._under_way += 1
        try:
            return send(self._client, method, path, **arguments)
        finally:
            with self._lock:
                self._under_way -= 1
                self._release()

    @property
    def is_fork(self) -> bool:
        """Whether the key has been let in as Extralit's server wants it."""
        return FORK_KEY_HEADER in self._client.headers

    def close(self) -> None:
        """Release the connections, once the requests of other threads are through.

        httpx loses a connection that another thread opens while its client is closed.
        """
        with self._lock:
            self._closed = True
            self._release()

    def _release(self) -> None:
        if self._closed and not self._under_way:
            self._client.close()


def send(client: httpx.Client, method: str, path: str, **arguments: Any) -> Any:
    """The JSON answer that a client gets, ``None`` when there is no body.

    Where the key is refused it is shown once more in the header of Argilla's fork. If that is the
    right one, the client sends it from then on.

    Args:
        client: knows the address and the key; may be that of Argilla's own SDK.
        method, path, arguments: of the request; the path is below ``/api/v1/``.

    Raises:
        LoopdError: see :meth:`ArgillaHttp.request`.
    """
    response = _answer(client, method, path, **arguments)
    try:
        return _check(client, response)
    except AuthError:
        key = client.headers.get(KEY_HEADER)
        if response.status_code != 401 or not key or FORK_KEY_HEADER in client.headers:
            raise
    headers = {**arguments.pop("headers", {}), FORK_KEY_HEADER: key}
    response = _answer(client, method, path, headers=headers, **arguments)
    content = _check(client, response)
    client.headers[FORK_KEY_HEADER] = key
    return content


def _answer(client: httpx.Client, method: str, path: str, **arguments: Any) -> httpx.Response:
    began = time.monotonic()
    try:
        return client.request(method, f"/api/v1/{path}", follow_redirects=False, **arguments)
    except (httpx.TransportError, httpx.DecodingError) as error:
        # Not `from error`: its text may hold a secret, and tracebacks show it.
        failure = _unanswered(error, _base(client), secrets_in(client.headers))
        if isinstance(failure, TransientError):
            failure.late = _is_late(error, time.monotonic() - began)
        raise failure from None


def _check(client: httpx.Client, response: httpx.Response) -> Any:
    secrets = secrets_in(client.headers)
    return checked_content(response, _base(client), lambda text: redacted(text, *secrets))


def _base(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What is sent that nobody is to read: the key, and other headers, whole and in parts."""
    values = [value for name, value in headers.items() if name.lower() not in _PLAIN]
    parts = [part for value in values for part in re.split(r"[\s;,=]+", value)]
    secrets = {value for value in (*values, *parts) if len(value) >= _SHORTEST}
    key = headers.get(KEY_HEADER)
    return tuple(sorted(secrets | ({key} if key else set()), key=len, reverse=True))


def second_look(ask: Callable[[], Any], name: str, dataset_id: str) -> None:
    """Return if a dataset that is said to be gone is gone from the list of datasets, too.

    Args:
        ask: for the list, by Argilla's route ``me/datasets``.
        name: of the dataset.
        dataset_id: Argilla's id of it.

    Raises:
        FrontError: it is in the list, or the list is gone as well.
    """
    hint = "look at what stands in front of Argilla"
    try:
        listed = ask()["items"]
    except NotFoundError:
        raise FrontError(f"dataset `{name}` and the list of all are gone at once", hint) from None
    if any(str(dataset["id"]) == dataset_id for dataset in listed):
        raise FrontError(f"dataset `{name}` is said to be gone, but Argilla lists it", hint)


def quoted(text: object, *secrets: str | None) -> str:
    """What came from elsewhere as a message may repeat it: short, and without the secrets.

    Whatever answers, or fails, may repeat what it was sent.
    """
    return redacted(text, *secrets)[:_DETAIL]


def redacted(text: object, *secrets: str | None) -> str:
    """A text without the secrets; must not be cut before, lest half of one stays."""
    words = str(text)
    for secret in secrets:
        for form in {secret, repr(secret)[1:-1]} if secret else ():
            words = words.replace(form, "***")
    return words


def _unanswered(
    error: httpx.TransportError | httpx.DecodingError, url: str, secrets: tuple[str, ...]
) -> ArgillaError | TransientError:
    """What there is to say where no answer came."""
    tls = _tls(error)
    detail = _reason(error, secrets)
    if isinstance(tls, ssl.SSLCertVerificationError):
        message = f"the certificate of {url} does not verify: {tls.verify_message}"
        return ArgillaError(message, _certificate_hint(tls.verify_code))
    if tls is not None and not isinstance(tls, ssl.SSLEOFError):
        return FrontError(f"no secure connection to {url} ({detail})", _tls_hint(tls.reason or ""))
    if isinstance(error, httpx.ProxyError) and re.match(r"4\d\d", str(error)):
        hint = "see the variables HTTPS_PROXY and NO_PROXY"
        return FrontError(f"the proxy lets nobody through to {url} ({detail})", hint)
    if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
        message = f"Argilla at {url} does not answer in time ({detail})"
        return TransientError(message, "if it is only slow, raise argilla.timeout")
    return TransientError(f"Argilla at {url} is unreachable ({detail})", _IS_IT_UP)


def _reason(error: httpx.TransportError | httpx.DecodingError, secrets: tuple[str, ...]) -> str:
    """Why no answer came, in the operating system's words or our own."""
    tls = _tls(error)
    if tls is not None:
        return (tls.reason or "TLS failed").replace("_", " ").lower()
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.strerror):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, OSError):
        return quoted(str(cause.strerror).lower(), *secrets)
    if isinstance(error, httpx.RemoteProtocolError):
        return _broken(str(error))
    for kind, words in _REASONS:
        if isinstance(error, kind):
            return words
    return quoted(error, *secrets) or "no reason is known"


def _broken(said: str) -> str:
    if "disconnected" in said:
        return "the connection ends without an answer"
    return "the answer ends early" if "complete message" in said else "the answer is no HTTP"


def _is_late(error: Exception, seconds: float) -> bool:
    """Whether time ran out, here or where somebody on the way cut a request that took long."""
    if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
        return True
    cut = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
    return isinstance(error, cut) and seconds >= _LONG


def _tls(error: BaseException | None) -> ssl.SSLError | None:
    """The failure of TLS that is behind an error."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def _certificate_hint(code: int) -> str:
    if code == _EXPIRED:
        return "it has expired: have it renewed, or see to the clock of this machine"
    if code in _OTHER_HOST:
        return "it is for another name: set argilla.url to the name that it is for"
    return "if the server has a CA of its own, set argilla.ca_file to the certificate of that"


def _tls_hint(reason: str) -> str:
    if "WRONG_VERSION" in reason or "RECORD" in reason:
        return "the port speaks no TLS: does argilla.url begin with http://, or need another port?"
    if "CERTIFICATE" in reason or "HANDSHAKE" in reason:
        return "it may want a certificate of loopd: argilla.client_cert"
    return "look at what stands in front of Argilla, and at argilla.url"
