"""Owns the settings of where a run lives, which server it uses and what it prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, field_validator, model_validator

from loopd.config.headers import refuse_header
from loopd.config.section import LONGEST_NAME, LONGEST_WAIT, NAME_PATTERN, Section


class RunSection(Section):
    """Where a run lives and what makes it repeatable."""

    dir: Path = Field(
        Path("runs/default"), description="Folder of the run: journal, metrics log, models, plots."
    )
    seed: int = Field(42, ge=0, lt=2**31, description="Seed of everything random in the run.")
    keep_models: int = Field(
        2, ge=1, description="How many of the latest models stay on disk (they can be rebuilt)."
    )


class ArgillaSection(Section):
    """How to reach the annotation server."""

    url: str = Field("http://127.0.0.1:6900", description="Address of the Argilla 2 server.")
    api_key_env: str = Field(
        "ARGILLA_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable that holds the API key.",
    )
    api_key_file: Path | None = Field(
        None,
        description="File that holds the API key: alone, in quotes or as `NAME=value`, or "
        "`accounts.json` of `loopd serve` (the owner's is used); used when the variable is unset.",
    )
    api_key_command: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Program and arguments that print the API key, such as a keyring's; started "
        "without a shell, used when there is neither variable nor file.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers for a proxy or a login in front of Argilla: `env:NAME`, `file:PATH` "
        "or `command:PROGRAM ARGUMENTS`, after a word such as `Bearer` if needed; anything else is "
        "sent as it is.",
    )
    ca_file: Path | None = Field(
        None,
        description="PEM file of certificates to trust in addition to the public ones, such as "
        "those of your own CA.",
    )
    client_cert: Path | None = Field(
        None,
        description="PEM file of loopd's client certificate, if the server asks for one; it may "
        "also hold the key.",
    )
    client_key: Path | None = Field(
        None, description="PEM file of the key of `client_cert`, without a password."
    )
    workspace: str = Field("loopd", min_length=1, description="Workspace of the dataset.")
    dataset: str = Field(
        "loopd",
        min_length=1,
        max_length=LONGEST_NAME,
        pattern=NAME_PATTERN,
        description="Name of the dataset.",
    )
    timeout: float = Field(
        30.0, gt=0, le=LONGEST_WAIT, description="Seconds after which a request is given up."
    )
    max_backoff: float = Field(
        30.0,
        gt=0,
        le=LONGEST_WAIT,
        description="Longest pause in seconds between tries while Argilla is down.",
    )
    give_up_after: float | None = Field(
        None, gt=0, description="Give up after this many seconds of outage; empty: wait forever."
    )

    webhooks: bool = Field(
        False,
        description="Let Argilla notify the daemon as soon as somebody answers, in addition to "
        "polling; needs an owner's key.",
    )
    webhook_host: str = Field(
        "127.0.0.1",
        pattern=r"^[A-Za-z0-9.:_-]+$",
        description="Address or name of this machine on which loopd listens for Argilla; `0.0.0.0` "
        "or `::` is all of them, as in a container.",
    )
    webhook_port: int = Field(
        0, ge=0, le=65535, description="Port for Argilla's webhooks; 0: any free one."
    )
    webhook_url: str | None = Field(
        None,
        description="Address under which Argilla reaches that port; empty: `webhook_host`, or the "
        "name of this machine if that means all addresses.",
    )

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, text in headers.items():
            refuse_header(name, text)
        return headers

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> ArgillaSection:
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key: there is no client_cert")
        return self

    @field_validator("url", "webhook_url")
    @classmethod
    def _http_only(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = _split(value)
        if parts.username is not None:
            raise ValueError("must not hold a user or a password")
        if parts.query or parts.fragment:
            raise ValueError("must not hold anything behind ? or #")
        return value.rstrip("/")

    @field_validator("url")
    @classmethod
    def _no_page(cls, value: str) -> str:
        base = re.sub(r"/(api/v1|sign-in|datasets|dataset/.*)$", "", value)
        if base != value:
            raise ValueError(f"must be the address alone, without a page: {base}")
        return value


def _split(url: str) -> SplitResult:
    """The parts of an address.

    Raises:
        ValueError: it is none, in our own words.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no address, such as http://127.0.0.1:6900") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", url):
        raise ValueError("must start with http:// or https:// and name a host")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("its port must be a whole number from 1 to 65,535") from None
    if port == 0:
        raise ValueError("port 0 is no port")
    return parts


class LogSection(Section):
    """What the daemon prints."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level.")
    format: Literal["auto", "text", "json"] = Field(
        "auto", description="`auto` is text on a terminal and JSON lines otherwise."
    )
