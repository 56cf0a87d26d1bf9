"""Key files as people write them: read, or refused in a sentence that never repeats the key."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.config import ArgillaSection
from loopd.credentials import api_key
from loopd.errors import ConfigError
from loopd.key_text import KeyTextError, key_in

NAME = "ARGILLA_API_KEY"
KEY = "Zq3_recognisable-key-4711"

keys = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=80)
"""What Argilla makes, and what its installations begin with."""

DRESSES: dict[str, Callable[[str], bytes]] = {
    "alone": lambda key: key.encode(),
    "with a line end": lambda key: f"{key}\n".encode(),
    "from Windows": lambda key: f"{key}\r\n".encode(),
    "from an old Mac": lambda key: f"{key}\r".encode(),
    "with a mark": lambda key: f"{key}\n".encode("utf-8-sig"),
    "UTF-16, as PowerShell writes": lambda key: b"\xff\xfe" + f"{key}\r\n".encode("utf-16-le"),
    "UTF-16 the other way": lambda key: b"\xfe\xff" + f"{key}\n".encode("utf-16-be"),
    "after blank lines": lambda key: f"\n  \r\n\n{key}\n".encode(),
    "after a comment": lambda key: f"# the key of loopd\n{key}\n".encode(),
    "before other lines": lambda key: f"{key}\nand more\n".encode(),
    "with blanks around": lambda key: f" \t{key}  \n".encode(),
    "with a no-break space": lambda key: f"\u00a0{key}\u00a0\n".encode(),
    "with a zero-width space": lambda key: f"{key}\u200b\n".encode(),
    "quoted": lambda key: f'"{key}"\n'.encode(),
    "quoted singly": lambda key: f"'{key}'\n".encode(),
    "quoted by a word processor": lambda key: f"\u201c{key}\u201d\n".encode(),
    "a setting": lambda key: f"{NAME}={key}\n".encode(),
    "a setting with a mark": lambda key: f"{NAME}={key}\n".encode("utf-8-sig"),
    "a quoted setting": lambda key: f'{NAME}="{key}"\n'.encode(),
    "a shell's setting": lambda key: f"export {NAME}='{key}';\n".encode(),
    "blanks around the sign": lambda key: f"{NAME} = {key}\n".encode(),
    "of the Windows shell": lambda key: f"set {NAME}={key}\r\n".encode(),
    "of PowerShell": lambda key: f'$env:{NAME} = "{key}"\r\n'.encode(),
    "in lower case": lambda key: f"argilla_api_key={key}\n".encode(),
    "by another name": lambda key: f"api_key: {key}\n".encode(),
    "as a header": lambda key: f"X-Argilla-Api-Key: {key}\n".encode(),
    "with a comment behind": lambda key: f"{NAME}={key}  # of the owner\n".encode(),
    "among others": lambda key: (
        f"ARGILLA_API_URL=https://a.example\nOTHER_API_KEY=x\n{NAME}={key}\n".encode()
    ),
    "JSON text": lambda key: json.dumps(key).encode(),
    "JSON object": lambda key: json.dumps({"api_key": key}).encode(),
    "accounts.json": lambda key: json.dumps(
        {
            "owner": {"username": "owner", "password": "p", "api_key": key},
            "annotator": {"username": "annotator", "password": "p", "api_key": "other"},
        },
        indent=2,
    ).encode(),
}


@pytest.mark.parametrize("dress", DRESSES)
@given(key=keys)
def test_a_key_is_read_in_every_dress(dress: str, key: str) -> None:
    assert key_in(DRESSES[dress](key), NAME) == key


def test_a_key_that_ends_as_base64_does_is_no_setting() -> None:
    assert key_in(b"bG9vcGQ==\n", NAME) == "bG9vcGQ=="
    assert key_in(f"{NAME}=bG9vcGQ==".encode(), NAME) == "bG9vcGQ=="


REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("", "empty"),
    "blank lines": ("\n \r\n\t\n", "empty"),
    "comments": ("# nothing here\n", "empty"),
    "an empty setting": (f"{NAME}=\n", "is empty"),
    "empty quotes": ('""', "is empty"),
    "half a quote": (f'"{KEY}', "no partner"),
    "two quotes": (f"'{KEY}\"", "no partner"),
    "white space": (f"{KEY} {KEY}", "white space"),
    "a header with a scheme": (f"Authorization: Bearer {KEY}", "not that of an API key"),
    "another setting": (f"PASSWORD={KEY}", "not that of an API key"),
    "two settings": (f"{NAME}={KEY}\n{NAME}={KEY}x", "several"),
    "two names": (f"A_API_KEY={KEY}\nB_API_KEY={KEY}x", "several"),
    "an address": (f"https://a.example/{KEY}", "address"),
    "JSON with several": (json.dumps([{"api_key": KEY}, {"api_key": KEY}]), "several"),
    "JSON without": (json.dumps({"token": KEY}), "no `api_key`"),
    "torn JSON": (json.dumps({"api_key": KEY})[:-3], "begins like JSON"),
    "accents": (f"{KEY}\u00e4", "characters"),
    "control characters": (f"{KEY}\x1b[2J", "characters"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("source", ["file", "variable"])
def test_what_is_no_key_is_refused_without_repeating_it(
    name: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, words = REFUSED[name]
    monkeypatch.delenv("LOOPD_TEST_KEY", raising=False)
    path = tmp_path / "key"
    path.write_bytes(text.encode())
    if source == "variable":
        monkeypatch.setenv("LOOPD_TEST_KEY", text)
    section = ArgillaSection(
        api_key_env="LOOPD_TEST_KEY", api_key_file=path if source == "file" else None
    )
    with pytest.raises(ConfigError) as caught:
        api_key(section)
    said = f"{caught.value.message} {caught.value.hint}"
    if source == "file":
        assert words in said
        assert "api_key_file" in said
    for secret in (KEY, KEY[:6], KEY[-6:]):
        assert secret not in said


def test_bytes_without_a_mark_that_are_utf_16_are_refused() -> None:
    with pytest.raises(KeyTextError, match="characters"):
        key_in(KEY.encode("utf-16-le"), NAME)


@given(st.binary(max_size=300))
def test_whatever_bytes_there_are_a_key_is_plain_ascii_or_refused(content: bytes) -> None:
    try:
        key = key_in(content, NAME)
    except KeyTextError as error:
        assert str(error)  # noqa: PT017
    else:
        assert key.isascii()
        assert key.isprintable()
        assert not key.isspace()
