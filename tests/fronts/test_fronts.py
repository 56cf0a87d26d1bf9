"""What stands in front of Argilla is waited out while a run works, and refused when it begins."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import answer_all, collecting, fails, rounds
from tests.daemon import Daemon
from tests.fronts.conftest import Nginx
from tests.live import LiveArgilla

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]

TOKEN = "recognisable-token-4711"

LOGIN = "<html><title>Sign in to Contoso</title></html>"
PLAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "404 in text": (
        "location / { default_type text/plain; return 404 '404 page not found'; }",
        ("HTTP 404 (text/plain): 404 page not found",),
    ),
    "404 in HTML": ("location / { return 404; }", ("HTTP 404 (text/html): 404 Not Found",)),
    "a redirect to a login": (
        "location / { return 302 https://sso.example.org/login?state=secret; }",
        ("leads to https://sso.example.org/login", "argilla.headers"),
    ),
    "a login with 200": (
        f"location / {{ default_type text/html; return 200 '{LOGIN}'; }}",
        ("HTTP 200 (text/html): Sign in to Contoso",),
    ),
    "401 of the proxy": ("location / { return 401; }", ("HTTP 401", "argilla.headers")),
    "403 of the proxy": ("location / { return 403; }", ("HTTP 403", "argilla.headers")),
    "JSON of a gateway": (
        """location / { default_type application/json; return 404 '{"message": "no Route"}'; }""",
        ("HTTP 404 (application/json)",),
    ),
}


QUICK = {"404 in text"}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PLAYS],
)
def test_at_the_first_contact_the_run_ends_with_a_hint(
    argilla: LiveArgilla, make_daemon: MakeDaemon, nginx: Nginx, name: str
) -> None:
    block, words = PLAYS[name]
    nginx.play(block)
    daemon = make_daemon(argilla, url=nginx.url, guests=False)
    fails(daemon, 22, "something in front of Argilla answers", f"127.0.0.1:{nginx.port}", *words)
    assert "secret" not in daemon.log


def test_while_a_run_works_all_of_them_are_waited_out(
    argilla: LiveArgilla, make_daemon: MakeDaemon, nginx: Nginx
) -> None:
    nginx.play()
    daemon = make_daemon(argilla, url=nginx.url, stopping={"max_rounds": 2})
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    for block, words in PLAYS.values():
        nginx.play(block)
        daemon.wait_log(words[0])
    answer_all(daemon, people)
    nginx.play("gzip on; gzip_types *;" + nginx.through)
    daemon.wait(rounds(2))
    daemon.wait(collecting)
    answer_all(daemon, people)
    people.close()
    assert daemon.ended() == 0, daemon.log


def test_a_server_that_wants_to_be_left_alone_is(
    argilla: LiveArgilla, make_daemon: MakeDaemon, nginx: Nginx
) -> None:
    nginx.play("add_header Retry-After 3 always; location / { return 429; }")
    daemon = make_daemon(argilla, url=nginx.url, guests=False, log={"format": "json"})
    daemon.start()
    daemon.wait_log('"wait": 3.0')
    nginx.play()
    daemon.wait(collecting)


def test_a_redirect_to_another_address_names_it(
    argilla: LiveArgilla, make_daemon: MakeDaemon, nginx: Nginx
) -> None:
    nginx.play("return 301 https://argilla.example.org$request_uri;")
    daemon = make_daemon(argilla, url=nginx.url, guests=False)
    fails(daemon, 22, "set argilla.url to https://argilla.example.org")


def whole_run(daemon: Daemon) -> None:
    """Two rounds, played by `loopd oracle` through the same front."""
    daemon.start()
    played = daemon.loopd("oracle", "--gold", "label", "--idle-exit", "15")
    assert played.returncode == 0, played
    assert daemon.ended() == 0, daemon.log
    assert len(daemon.state.published) == 2


@pytest.mark.slow
def test_a_sub_path(argilla: LiveArgilla, make_daemon: MakeDaemon, nginx: Nginx) -> None:
    path = f"location /tools/argilla/ {{ proxy_pass {nginx.upstream}/; }}"
    nginx.play(path + "location / { return 404; }")
    url = f"{nginx.url}/tools/argilla"
    daemon = make_daemon(argilla, url=url, guests=False, stopping={"max_rounds": 2})
    whole_run(daemon)
    daemon.settings["argilla"] |= {"url": nginx.url, "dataset": "other"}
    daemon.settings["run"]["dir"] = "other"
    daemon.save()
    fails(daemon, 22, "something in front of Argilla answers", "with its path?")


def test_a_private_space(argilla: LiveArgilla, make_daemon: MakeDaemon, nginx: Nginx) -> None:
    wall = f'if ($http_authorization != "Bearer {TOKEN}") {{ return 404; }}'
    nginx.play(wall + nginx.through)
    daemon = make_daemon(argilla, url=nginx.url, guests=False, stopping={"max_rounds": 2})
    assert daemon.loopd("check").returncode == 22
    (daemon.folder / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    daemon.settings["argilla"]["headers"] = {"Authorization": "Bearer file:token"}
    daemon.save()
    assert daemon.loopd("check").returncode == 0
    whole_run(daemon)
    verbs = [["export", "--no-model"], ["recover", "--dry-run"], ["status"]]
    done = [daemon.loopd(*verb) for verb in verbs]
    assert done[0].returncode == 0, done
    printed = "".join(each.stdout + each.stderr for each in done)
    (daemon.folder / "printed.txt").write_text(printed, encoding="utf-8")
    holding = [
        path.name
        for path in daemon.folder.rglob("*")
        if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]
    assert holding == ["token"]


def certificates(folder: Path, *, days: int) -> tuple[Path, Path, Path]:
    """A CA, and certificate and key of 127.0.0.1; valid from a year ago for so many days."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = dt.datetime.now(dt.timezone.utc)
    begin = now - dt.timedelta(days=365)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("CA", "host")]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
    paths = []
    for number, name in enumerate(names):
        identifier = x509.SubjectKeyIdentifier.from_public_key(keys[number].public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(keys[number].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(now + dt.timedelta(days=9 if number == 0 else days))
            .add_extension(x509.BasicConstraints(number == 0, None), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(issuer, critical=False)
        )
        if number:
            address = x509.IPAddress(ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        path = folder / f"{name.rfc4514_string()[3:]}.pem"
        signed = builder.sign(keys[0], hashes.SHA256())
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        paths.append(path)
    key = folder / "host.key"
    key.write_bytes(
        keys[1].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths[0], paths[1], key


@pytest.mark.parametrize(
    "days", [pytest.param(9, marks=pytest.mark.slow), -9], ids=["valid", "expired"]
)
def test_a_certificate_authority_of_ones_own(
    argilla: LiveArgilla, make_daemon: MakeDaemon, nginx: Nginx, days: int
) -> None:
    authority, certificate, key = certificates(nginx.folder, days=days)
    nginx.tls = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
    nginx.play()
    daemon = make_daemon(argilla, url=nginx.url, guests=False, stopping={"max_rounds": 2})
    fails(daemon, 22, "does not verify", "hint:")
    daemon.settings["argilla"]["ca_file"] = str(authority)
    daemon.save()
    if days > 0:
        whole_run(daemon)
        return
    (daemon.folder / "daemon.log").unlink()
    fails(daemon, 22, "does not verify", "it has expired")
