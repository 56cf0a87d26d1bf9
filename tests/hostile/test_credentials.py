"""Where the API key comes from, and that no failure on the way repeats it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from loopd import credentials
from loopd.config import ArgillaSection
from loopd.credentials import api_key, exposed
from loopd.errors import ConfigError

KEY = "recognisable-key-4711"


def section(*command: str, **values: object) -> ArgillaSection:
    given = {"api_key_env": "LOOPD_TEST_KEY", "api_key_command": command or None, **values}
    return ArgillaSection.model_validate(given)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOPD_TEST_KEY", raising=False)


def test_a_command_prints_the_key_on_its_first_line() -> None:
    assert api_key(section(*python(f"print(' {KEY} '); print('and more')"))) == KEY


def test_variable_and_file_come_before_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("from-file\n")
    command = python("print('from-command')")
    assert api_key(section(*command, api_key_file=tmp_path / "key")) == "from-file"
    monkeypatch.setenv("LOOPD_TEST_KEY", "from-env")
    assert api_key(section(*command)) == "from-env"


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    words = f"x; touch {tmp_path}/pwned; $(touch {tmp_path}/pwned)"
    code = "import sys; sys.exit(0 if len(sys.argv) == 2 else 3)"
    with pytest.raises(ConfigError, match="printed none"):
        api_key(section(*python(code), words))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/no/such/program",), "cannot be started: No such file"),
        (("/",), "cannot be started"),
        (python(f"import sys; print('{KEY}'); sys.exit('{KEY}')"), "ended with code 1"),
        (python("pass"), "printed none"),
        (python("import os; os.close(1); os.write(2, b'x')"), "printed none"),
        (python(f"print('{KEY}\\x1b[2J')"), "printed none, or something else"),
        (python(f"print('{KEY}ä')"), "printed none, or something else"),
        (python("import os; os.kill(os.getpid(), 9)"), "ended with code -9"),
        (python("input()"), "ended with code 1"),
    ],
)
def test_a_command_that_fails_is_one_clear_line(command: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        api_key(section(*command))
    assert words in caught.value.message
    assert KEY not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",
        "import subprocess as s; s.Popen(['sleep', '60'])",  # a child that keeps the pipe open
        "import os, time; os.close(1); time.sleep(60)",
    ],
)
def test_a_command_that_hangs_is_ended(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "COMMAND_SECONDS", 0.5)
    before = time.monotonic()
    with pytest.raises(ConfigError, match="did not end"):
        api_key(section(*python(code)))
    assert time.monotonic() - before < 10


def test_a_command_that_prints_for_ever_is_ended() -> None:
    with pytest.raises(ConfigError, match="printed none, or something else"):
        api_key(section(*python("while True: print('\\x00' * 1000)")))


@pytest.mark.parametrize("path", ["/dev/zero", "/", "/no/such/file"])
def test_a_file_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="api_key_file"):
        api_key(section(api_key_file=path))


def test_a_key_in_the_place_of_a_variables_name_is_not_repeated() -> None:
    pasted = "Gx7k_recognisableKey"
    with pytest.raises(ConfigError) as caught:
        api_key(section(api_key_env=pasted))
    assert pasted not in caught.value.message + caught.value.hint


def test_a_file_that_others_may_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o640)
    assert exposed(section(api_key_file=path))
    path.chmod(0o600)
    assert not exposed(section(api_key_file=path))
    assert not exposed(section(api_key_file=tmp_path / "absent"))
    assert not exposed(section())
