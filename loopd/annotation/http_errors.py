"""Owns whose an HTTP response is, Argilla's or of something before it, and which error it means.

Must not send anything. Argilla 2 answers in JSON: with ``id``, ``items`` or ``users`` where it
obeys, with ``version`` where it says what it is, and where it refuses with nothing but a ``detail``
of ``code`` and ``params``. Only what it misses (404), has already (409) or cannot process (422) it
says in a text as well, or with ``code`` and ``message``; so do gateways, in words of their own.
Whatever looks otherwise is by a proxy, a login page or another server: it may pass, so it is waited
out, but nothing that it says is believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

import httpx

from loopd.errors import ArgillaError, AuthError, TransientError

_DETAIL = 300
_EXCERPT = 80
_PAGE = 2000
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_OVERLOADED = (408, 425, 429)
_CAPTIVE = 511
_OWN = ("id", "items", "users")
_TOO_LARGE = (413, 414, 431)
_LATE = (408, 504, 522, 524, 598, 599)
_ABOUT_ITSELF = ("/api/v1/version", "/api/v1/status")
_CODE = re.compile(r"[\w.]+::\w+")
_MISSING, _TAKEN, _UNFIT = 404, 409, 422
_TEXTS = {
    _MISSING: re.compile(r"\w+( \w+)* (with id `[^`]*` not found|not found filtering by .*)", re.S),
    _TAKEN: re.compile(r".*(is not unique|already exists|linked$).*", re.S),
    _UNFIT: re.compile(r".*\S.*", re.S),
}
"""What Argilla says in plain words, by status; all releases since 2.0, and Extralit's."""
_NO_ROUTE = {404: HTTPStatus.NOT_FOUND, 405: HTTPStatus.METHOD_NOT_ALLOWED}
_PHRASES = {status.phrase.lower() for status in HTTPStatus}
"""What frameworks say where nobody has thought of words."""

NEW_GRACE = 5.0
"""Seconds for which a front is waited out where a new run starts: a proxy may start beside it."""

GRACE = 120.0
"""The same where a run that has begun, or a listener, starts."""

Result = TypeVar("Result")
Redact = Callable[[object], str]


class FrontError(TransientError):
    """Something in front of Argilla answers in its place."""


class NotFoundError(ArgillaError):
    """HTTP 404, in words of Argilla: the caller knows what it means.

    Whether the dataset is gone, ``dataset_api`` decides after a second look in another list.
    """


class NoRouteError(FrontError):
    """A route that an older Argilla lacks: it says so in the words of every other such server."""


class ConflictError(ArgillaError):
    """HTTP 409: it exists already."""


class TooLargeError(ArgillaError):
    """HTTP 413 and its like: whoever says so, the same request will not get through."""


def first_contact(action: Callable[[], Result]) -> Result:
    """Do what asks Argilla for the first time: a front that answers in its place is not waited for.

    Raises:
        ArgillaError: in the place of a :class:`FrontError`.
    """
    try:
        return action()
    except FrontError as error:
        raise ArgillaError(error.message, error.hint) from None


def soon_contact(
    action: Callable[[], Result], monotonic: Callable[[], float], seconds: float = GRACE
) -> Callable[[], Result]:
    """The action as one that lets a front be waited out for a while, and not for ever.

    Args:
        action: asks Argilla for the first time since the start.
        monotonic: clock in seconds.
        seconds: of patience.
    """
    deadline = monotonic() + seconds
    return lambda: first_contact(action) if monotonic() >= deadline else action()


def checked_content(response: httpx.Response, url: str, redact: Redact) -> Any:
    """What Argilla says in an answer, ``None`` where it says nothing.

    Args:
        response: the answer, read.
        url: of the server, for messages.
        redact: takes the secrets out of a text of elsewhere; before it is cut.

    Raises:
        LoopdError: see :meth:`~loopd.annotation.http.ArgillaHttp.request`.
    """
    code = response.status_code
    if code == 204:
        return None
    if (code >= 500 and code != _CAPTIVE) or code in _OVERLOADED:
        raise _away(response, url)
    content = _json(response)
    if code < 300 and isinstance(content, dict) and _is_word(response, content):
        return content
    if code in _TOO_LARGE:
        raise TooLargeError(
            f"a request was too large for {url}: {_what(response)}",
            "raise the limit of what stands before Argilla, such as nginx's client_max_body_size",
        )
    if code >= 400 and _is_refusal(code, content):
        raise _refused(response, url, redact)
    raise _front(response, redact, NoRouteError if _is_no_route(code, content) else FrontError)


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _is_word(response: httpx.Response, content: dict[str, Any]) -> bool:
    if response.request.url.path.endswith(_ABOUT_ITSELF):
        return isinstance(content.get("version"), str)
    return not content.keys().isdisjoint(_OWN)


def _is_refusal(code: int, content: object) -> bool:
    """Whether a refusal is in Argilla's own words, or in those of its fork."""
    if not isinstance(content, dict):
        return False
    if content.keys() == {"code", "message"} and code == _UNFIT:
        return all(isinstance(part, str) for part in content.values())
    detail = content.get("detail") if content.keys() == {"detail"} else None
    if isinstance(detail, dict):
        name, params = detail.get("code"), detail.get("params")
        return isinstance(name, str) and bool(_CODE.fullmatch(name)) and isinstance(params, dict)
    return isinstance(detail, str) and code in _TEXTS and _is_text(code, detail)


def _is_text(code: int, text: str) -> bool:
    is_phrase = text.strip(" .!").lower() in _PHRASES
    return not is_phrase and bool(_TEXTS[code].fullmatch(text))


def _is_no_route(code: int, content: object) -> bool:
    """Whether that is what FastAPI says of a route that it lacks: Argilla itself says no more."""
    return code in _NO_ROUTE and content == {"detail": _NO_ROUTE[code].phrase}


def _what(response: httpx.Response) -> str:
    request = response.request
    return f"{request.method} {request.url.path} gave HTTP {response.status_code}"


# -- Argilla ---------------------------------------------------------------------------------------


def _away(response: httpx.Response, url: str) -> TransientError:
    hint = "look at the log of Argilla, and at what stands in front of it"
    error = TransientError(f"Argilla at {url} fails: {_what(response)}", hint)
    error.retry_after = retry_after(response.headers.get("Retry-After"))
    error.late = response.status_code in _LATE
    return error


def retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds that the header ``Retry-After`` asks for (RFC 9110, 10.2.3), ``None`` if it is none.

    Args:
        text: its value: whole seconds, or a date.
        now: for dates.
    """
    words = (text or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", words):
        return float(words)
    try:
        date = parsedate_to_datetime(words)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    return max(0.0, (date - (now or datetime.now(timezone.utc))).total_seconds())


def _refused(response: httpx.Response, url: str, redact: Redact) -> ArgillaError | AuthError:
    code, what = response.status_code, _what(response)
    if code == 401:
        hint = "take it anew from Argilla's page `My settings`: it is wrong, expired or revoked"
        return AuthError(f"Argilla at {url} refuses the API key", hint)
    if code == 403:
        return AuthError(
            f"the account may not do this on {url}: {what}",
            "use the key of an owner, or of an admin who is a member of the workspace",
        )
    kind = {404: NotFoundError, 409: ConflictError}.get(code, ArgillaError)
    return kind(f"Argilla refuses: {what}: {redact(response.text)[:_DETAIL]}")


# -- whatever stands before it ---------------------------------------------------------------------


def _front(response: httpx.Response, redact: Redact, kind_of: type[FrontError]) -> FrontError:
    host = response.request.url.netloc.decode("ascii", "replace")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip() or "no content type"
    target = _target(response)
    says = f", and leads to {_shown(target)}" if target else ""
    says = redact(says) or _excerpt(redact(response.text), kind)
    message = (
        f"something in front of Argilla answers at {host}: {_what(response)} "
        f"({redact(kind)[:_EXCERPT]}){says[:_DETAIL]}"
    )
    return kind_of(message, redact(_hint(response, target)))


def _target(response: httpx.Response) -> httpx.URL | None:
    """Where a redirect leads."""
    location = response.headers.get("Location")
    if not 300 <= response.status_code < 400 or not location:
        return None
    try:
        return response.request.url.join(location)
    except (httpx.InvalidURL, ValueError):
        return None


def _shown(target: httpx.URL) -> str:
    """Without user and query, which may be secret."""
    return f"{target.scheme}://{target.netloc.decode('ascii', 'replace')}{target.path}"


def _excerpt(text: str, kind: str) -> str:
    if "html" in kind or text.lstrip()[:1] == "<":
        title = _TITLE.search(text)
        text = title[1] if title else ""
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    if not words:
        return ""
    return f": {words[:_EXCERPT]}" + ("..." if len(words) > _EXCERPT else "")


def _hint(response: httpx.Response, target: httpx.URL | None) -> str:
    code, path = response.status_code, response.request.url.path
    if target is not None and target.path.endswith(path) and target.netloc:
        base = _shown(target)[: -len("/api/v1/" + path.partition("/api/v1/")[2])]
        return f"set argilla.url to {base}"
    if 400 <= code < 500 and "certificate" in response.text[:_PAGE].lower():
        return "it may want a certificate of loopd: argilla.client_cert"
    if target is not None or code in (401, 403, 407):
        return "it wants a login of its own: argilla.headers can carry what it lets through"
    if code == 404:
        return (
            "is argilla.url right, with its path? A private Space answers so, too, unless "
            "argilla.headers carries its token"
        )
    if code < 300:
        return (
            "is argilla.url that of an Argilla server, and not of its page, a login or a hotspot? "
            "argilla.headers can carry what a login wants"
        )
    return "look at what stands in front of Argilla, and at argilla.url"
