"""Owns the HTTP client to Argilla: headers, certificates and proxies; must not send anything.

Every client that loopd has is made here, so that all of them go the same way.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
import httpx

from loopd import __version__
from loopd.config import ArgillaSection
from loopd.credentials import header_values
from loopd.errors import ArgillaError, ConfigError

KEY_HEADER = "X-Argilla-Api-Key"

AGENT = f"loopd/{__version__}"

STATE_HEADER, OVER = "X-Loopd", "over"
"""What the embedded server is told of a run with a request, so that its page can say so."""
"""How every request names who sends it."""

FORK_KEY_HEADER = "X-Extralit-Api-Key"
"""In which Extralit's server, a fork of Argilla's, wants the key; it refuses it in the other."""


@dataclass(frozen=True, slots=True)
class Front:
    """What lies between loopd and Argilla.

    Attributes:
        headers: names and values to send with every request; they may be secret.
        ca_file: PEM certificates to trust in addition to the public ones.
        client_cert, client_key: PEM files of loopd's own certificate.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None

    def options(self, url: str) -> dict[str, Any]:
        """What ``httpx.Client`` and its transport take on the way to an address.

        Raises:
            ConfigError: a certificate cannot be read.
        """
        usual = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        context = _context(self.ca_file, self.client_cert, self.client_key, usual)
        return {"verify": context, "proxy": proxy_for(url), "trust_env": False}


def front_of(section: ArgillaSection) -> Front:
    """The front that a configuration describes, its secrets read.

    Raises:
        ConfigError: a value of ``argilla.headers`` is absent or cannot be sent.
    """
    return Front(header_values(section), section.ca_file, section.client_cert, section.client_key)


def make_client(url: str, api_key: str, timeout: float, front: Front) -> httpx.Client:
    """A client of the server at an address; does not connect yet.

    Args:
        url: base address.
        api_key: sent with each request.
        timeout: seconds for one request.
        front: what lies between.

    Raises:
        ConfigError: a certificate cannot be read.
        ArgillaError: the address or the proxy cannot be used.
    """
    # The embedded server tells people by this name that loopd is at work.
    headers = {"User-Agent": AGENT, **dict(front.headers), KEY_HEADER: api_key}
    options = front.options(url)
    try:
        return httpx.Client(base_url=url, headers=headers, timeout=timeout, **options)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        hint = "correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the host in NO_PROXY"
        raise ArgillaError(f"the proxy on the way to {url} cannot be used", hint) from error


def proxy_for(url: str) -> str | None:
    """The proxy that the usual variables name for an address; none leads to this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@lru_cache(maxsize=8)
def _context(
    ca_file: Path | None,
    client_cert: Path | None,
    client_key: Path | None,
    usual: tuple[str | None, str | None],
) -> ssl.SSLContext:
    """Whom to trust and what to show; ``usual`` is what OpenSSL's own variables say."""
    file, folder = usual
    if file is None and folder is None:
        file = certifi.where()
    with _readable("the file or folder of SSL_CERT_FILE or SSL_CERT_DIR", file or folder):
        context = ssl.create_default_context(cafile=file, capath=folder)
    if ca_file is not None:
        with _readable("argilla.ca_file", ca_file):
            context.load_verify_locations(cafile=ca_file)
    if client_cert is not None:
        with _readable("argilla.client_cert or client_key", client_cert):
            # A password is not asked for: nobody sits there.
            context.load_cert_chain(client_cert, client_key, password=lambda: b"")
    return context


@contextmanager
def _readable(what: str, path: Path | str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # that of SSL is one, too
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"cannot use {what}: {path}: {reason}", "it must be a PEM file without a password"
        ) from None
