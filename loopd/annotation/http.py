"""Owns how a request to Argilla fails: every failure becomes one of loopd's errors.

Must not know what is asked for, and retries nothing: that is the loop's business.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from loopd.errors import ArgillaError, AuthError, TransientError

_DETAIL = 300
_KEY_HEADER = "X-Argilla-Api-Key"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_IS_IT_UP = "is it running, and is argilla.url right?"


class NotFoundError(ArgillaError):
    """HTTP 404: the caller knows what it means."""


class ConflictError(ArgillaError):
    """HTTP 409: it exists already."""


class ArgillaHttp:
    """JSON requests to one Argilla server.

    Args:
        url: base address.
        api_key: of an account that may manage the workspace.
        timeout: seconds for one request.
    """

    def __init__(self, url: str, api_key: str, timeout: float) -> None:
        self.url = url
        headers = {_KEY_HEADER: api_key}
        # A proxy of the environment never leads to this machine itself.
        proxied = urlsplit(url).hostname not in _LOOPBACK
        try:
            self._client = httpx.Client(
                base_url=url, headers=headers, timeout=timeout, trust_env=proxied
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise ArgillaError(f"cannot connect to {url}: {error}", "check the proxy") from error

    def get(self, path: str, **params: Any) -> Any:
        """The JSON answer to a GET."""
        return self.request("GET", path, params=params)

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON answer, ``None`` when there is no body.

        Raises:
            TransientError: no connection, time-out, HTTP 5xx, 408 or 429, or no JSON.
            AuthError: HTTP 401 or 403.
            NotFoundError, ConflictError, ArgillaError: other refusals.
        """
        return send(self._client, method, path, **arguments)

    def close(self) -> None:
        """Release the connections."""
        self._client.close()


def send(client: httpx.Client, method: str, path: str, **arguments: Any) -> Any:
    """The JSON answer that a client gets, ``None`` when there is no body.

    Args:
        client: knows the address and the key; may be that of Argilla's own SDK.
        method, path, arguments: of the request; the path is below ``/api/v1/``.

    Raises:
        LoopdError: see :meth:`ArgillaHttp.request`.
    """
    url, api_key = str(client.base_url).rstrip("/"), key_of(client)
    try:
        response = client.request(method, f"/api/v1/{path}", **arguments)
        _check(response, url, api_key)
    except (httpx.TransportError, httpx.DecodingError, httpx.TooManyRedirects) as error:
        detail = f"{type(error).__name__}: {quoted(error, api_key)}"
        # Not `from error`: its text may hold the key, and tracebacks show it.
        raise TransientError(f"Argilla at {url} is unreachable ({detail})", _IS_IT_UP) from None
    return _json(response, url, api_key)


def key_of(client: httpx.Client) -> str | None:
    """The API key that a client sends."""
    found: str | None = client.headers.get(_KEY_HEADER)
    return found


def quoted(text: object, api_key: str | None) -> str:
    """What came from elsewhere as a message may repeat it: short, and without the API key.

    Whatever answers, or fails, may repeat what it was sent.
    """
    found = str(text)
    for form in {api_key, repr(api_key)[1:-1]} if api_key else ():
        found = found.replace(form, "***")
    return found[:_DETAIL]


def _json(response: httpx.Response, url: str, api_key: str | None) -> Any:
    try:
        return response.json() if response.content else None
    except (ValueError, RecursionError) as error:
        message = f"Argilla at {url} sent no JSON ({quoted(error, api_key)})"
        raise TransientError(message, "is argilla.url that of an Argilla server?") from None


def _check(response: httpx.Response, url: str, api_key: str | None) -> None:
    code = response.status_code
    if code < 300:
        return
    what = f"{response.request.method} {response.request.url.path} gave HTTP {code}"
    if code >= 500 or code in (408, 425, 429):
        raise TransientError(f"Argilla at {url} fails: {what}")
    if code == 401:
        raise AuthError(f"Argilla at {url} refuses the API key", "it is wrong, expired or revoked")
    if code == 403:
        raise AuthError(
            f"the account may not do this on {url}: {what}",
            "use the key of an owner, or of an admin who is a member of the workspace",
        )
    raise _refusal(code)(f"Argilla refuses: {what}: {quoted(response.text, api_key)}")


def _refusal(code: int) -> type[ArgillaError]:
    return {404: NotFoundError, 409: ConflictError}.get(code, ArgillaError)
