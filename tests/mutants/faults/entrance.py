"""Owns the faults on the way from an installation to the first batch; must not plant any."""

from __future__ import annotations

from tests.mutants.fault import Fault

INSTALLATION = ("tests/starting/test_installation.py",)
INIT = ("tests/starting/test_init.py",)
GUESSING = ("tests/starting/test_guessing.py",)
START = ("tests/starting/test_start.py",)
OPENING = ("tests/loop/test_opening.py",)

ENTRANCE: tuple[Fault, ...] = (
    Fault(
        "an opening waits for people",
        "loop/batch_closing.py",
        "    if is_opening(state, config, pool_size) and not _all_are_taken(state, pool_size):\n",
        "    if False:\n",
        OPENING,
    ),
    Fault(
        "an opening that is all there is ends the run",
        "loop/batch_closing.py",
        "    if is_opening(state, config, pool_size) and not _all_are_taken(state, pool_size):\n",
        "    if is_opening(state, config, pool_size):\n",
        OPENING,
    ),
    Fault(
        "the first batch comes on top of the opening",
        "loop/opening.py",
        "_first_size(config) - len(state.batch.items)",
        "_first_size(config)",
        OPENING,
    ),
    Fault(
        "an opening does not know of a budget",
        "loop/opening.py",
        "config.queue.first_size if budget is None else budget",
        "config.queue.first_size",
        OPENING,
    ),
    Fault(
        "the opening of a small pool",
        "loop/opening.py",
        " or pool_size < SMALL:",
        ":",
        OPENING,
    ),
    Fault(
        "a plugin is taken for a command",
        "installation.py",
        'if section in ("[console_scripts]", "[gui_scripts]") and is_command:',
        "if is_command:",
        INSTALLATION,
    ),
    Fault(
        "loopd is its own rival",
        "installation.py",
        "return name == DISTRIBUTION or",
        "return",
        INSTALLATION,
    ),
    Fault(
        "a line for the shell breaks at a blank",
        "installation.py",
        "python = shlex.quote(sys.executable)",
        "python = sys.executable",
        INSTALLATION,
    ),
    Fault(
        "a configuration is overwritten in a race",
        "starting/init.py",
        'path.open("x", encoding="utf-8")',
        'path.open("w", encoding="utf-8")',
        INIT,
    ),
    Fault(
        "what is written is not tried",
        "starting/init.py",
        "pool = _try(draft.yaml(), options.data, path)",
        "pool = Pool(())",
        INIT,
    ),
    Fault(
        "a label that YAML takes for something else",
        "starting/draft.py",
        "if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:",
        "if _PLAIN.fullmatch(text):",
        INIT,
    ),
    Fault(
        "an id that comes twice further down",
        "starting/drafting.py",
        "max(self._look.counts(guess.column).values(), default=0) > 1",
        "False",
        INIT,
    ),
    Fault(
        "a column about messages is taken for the messages",
        "starting/guessing.py",
        "words[-1] in (*ID_NAMES, *LABEL_NAMES, *ABOUT_TEXTS)",
        "words[-1] in ()",
        GUESSING,
    ),
    Fault(
        "the caller's own key goes to the embedded server",
        "starting/start.py",
        '            "api_key_env": NO_KEY,\n',
        "",
        START,
    ),
    Fault(
        "the address is said before a record is open",
        "starting/announcing.py",
        "            if not is_open and not person.unfinished(desk):\n"
        "                return None\n",
        "",
        START,
    ),
    Fault(
        "changed options are passed over",
        "starting/start.py",
        "if word is not None and word != written:",
        "if False:",
        START,
    ),
    Fault(
        "a killed server is taken for one that runs",
        "embedded_argilla/home.py",
        "            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)\n            return False\n",
        "            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)\n            return True\n",
        START,
    ),
)
"""In the order of the way."""
