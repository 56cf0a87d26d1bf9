"""Headers, certificates and proxies are read where the configuration says, for every client."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest
from pydantic import ValidationError

from loopd.annotation.http_client import Front, front_of, make_client, proxy_for
from loopd.config import ArgillaSection
from loopd.config_file import parse_config
from loopd.credentials import header_values
from loopd.errors import ConfigError
from tests.fronts.certificates import authority

SECRET = "recognisable-secret"


def values(**headers: str) -> dict[str, str]:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return dict(header_values(ArgillaSection(headers=named)))


def test_where_values_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a token").write_text(f"\ufeff{SECRET}\r\n", encoding="utf-8")
    monkeypatch.setenv("A_TOKEN", f" {SECRET}\n")
    made = values(
        Authorization="Bearer env:A_TOKEN",
        X_Key=f"file:{tmp_path}/a token",
        X_Other="Basic command:printf '%s' recognisable-secret",
        X_Team="nlp: the team",
    )
    assert made == {
        "Authorization": f"Bearer {SECRET}",
        "X-Key": SECRET,
        "X-Other": f"Basic {SECRET}",
        "X-Team": "nlp: the team",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Authorization", f"Bearer {SECRET}"),
        ("Cookie", SECRET),
        ("X-Api-Token", SECRET),
        ("X-Argilla-Api-Key", "env:KEY"),
        ("content-length", "1"),
        ("X Team", "nlp"),
        ("X-Team", "n\nlp"),
        ("X-Team", ""),
        ("X-Team", "env:"),
        ("X-Team", f"env:{SECRET}"),
        ("X-Team", "command:'a"),
    ],
)
def test_what_is_refused_is_not_repeated(name: str, text: str) -> None:
    content = {"task": {"labels": ["a", "b"]}, "argilla": {"headers": {name: text}}}
    with pytest.raises(ConfigError) as caught:
        parse_config(content, Path.cwd())
    assert "headers" in caught.value.message
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("content", ["", "  \n", f"{SECRET}\nmore", "\x00\x01", "caf\xe9"])
def test_a_value_that_no_header_can_carry(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError) as caught:
        values(Authorization=f"file:{tmp_path}/token")
    assert "argilla.headers.Authorization" in caught.value.message
    assert SECRET not in caught.value.message + caught.value.hint


def test_relative_files_are_beside_the_configuration(tmp_path: Path) -> None:
    section = {"headers": {"X-A": "Bearer file:token"}, "ca_file": "ca.pem"}
    content = {"task": {"labels": ["a", "b"]}, "pool": {"path": "p.csv"}, "argilla": section}
    config = parse_config(content, tmp_path)
    assert config.argilla.headers == {"X-A": f"Bearer file:{tmp_path}/token"}
    assert config.argilla.ca_file == tmp_path / "ca.pem"
    plain = parse_config({**content, "argilla": {}}, tmp_path)
    assert config.digest() == plain.digest()


def test_a_key_without_its_certificate() -> None:
    with pytest.raises(ValidationError, match="client_cert"):
        ArgillaSection(client_key=Path("key"))


@pytest.mark.parametrize("key", ["ca_file", "client_cert"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_that_is_none(tmp_path: Path, key: str, content: str | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    front = front_of(ArgillaSection.model_validate({key: path}))
    with pytest.raises(ConfigError, match=f"argilla.{key}"):
        make_client("https://argilla.test", "key", 1.0, front)


def trusted(front: Front) -> set[str]:
    """Serial numbers of the authorities that a client trusts."""
    context = front.options("https://argilla.test")["verify"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    return {str(certificate["serialNumber"]) for certificate in context.get_ca_certs()}


def test_whom_to_trust_is_what_openssls_variables_say_or_else_the_public_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is searched when a certificate comes: none of it is read before."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    public = ssl.create_default_context(cafile=certifi.where()).get_ca_certs()
    assert trusted(Front()) == {str(certificate["serialNumber"]) for certificate in public}
    own = authority(tmp_path)
    assert len(trusted(Front(ca_file=own.ca))) == len(trusted(Front())) + 1
    monkeypatch.setenv("SSL_CERT_FILE", str(own.ca))
    assert len(trusted(Front())) == 1
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trusted(Front()) == set()


def test_what_is_printed_of_a_front_is_no_secret() -> None:
    assert SECRET not in repr(Front((("Authorization", SECRET),)))


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://argilla.test", "http://plain.test:1"),
        ("https://argilla.test:8443/a", "http://secure.test:2"),
        ("https://inside.corp.test", None),
        ("http://127.0.0.1:6900", None),
        ("http://127.9.9.9", None),
        ("http://[::1]:6900", None),
        ("https://localhost", None),
        ("http://argilla.localhost", None),
    ],
)
def test_proxies(monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None) -> None:
    monkeypatch.setenv("http_proxy", "plain.test:1")
    monkeypatch.setenv("https_proxy", "http://secure.test:2")
    monkeypatch.setenv("no_proxy", ".corp.test")
    assert proxy_for(url) == proxy
