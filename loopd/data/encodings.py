"""Owns telling in which encoding a file of text is written; must not know what the text holds.

A mark at its beginning settles it, and so does ``pool.encoding``. Otherwise it is UTF-8 where its
bytes are. Where they are not, Windows' Western encoding is taken if the text then reads as text
does, and that is said; nothing else is guessed.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from loopd.errors import DataError

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""The marks of Unicode, and what Python calls an encoding that begins with one."""

GUESS = "cp1252"

STRAY = 0.001
"""Share of the lines with bytes that are not UTF-8, up to which these lines are damaged, and the
file is UTF-8 all the same."""

PURE = 100
"""So many lines that are not UTF-8 must there be for one that is, for the file to be neither."""

SAMPLE = 2_000
"""Lines that are not UTF-8 of which a guess is tried."""

FIRST = 65_536
"""Bytes at the beginning that are looked at for the noughts of UTF-16 and UTF-32."""

BLOCK = 2**24
"""Bytes of a line that are looked at together at most."""

_JAPANESE = b"\x1b$B"
"""Begins what is Japanese in a file of ISO-2022-JP."""

_IMPLAUSIBLE = re.compile(
    # Signs and capitals inside of words, but for apostrophes, hyphens and dashes ...
    r"(?<=[a-zß-ÿ])[^\x00-\x7fß-ÿœšž\u2019\xb4\xb7\xad\u2014\u2026](?=[a-zß-ÿ])"
    # ... and what nobody writes: currency sign, broken bar, lone accents, florin, and a low quote
    # before a letter beyond ASCII, which is the first half of a Japanese letter.
    r"|[\xa4\xa6\xa8\xac\xaf\xb8\u0192\u02c6\u02dc]|\u201a[^\x00-\x7f]"
)
_RUNS = re.compile(
    # No letters: quotes, dashes, the ellipsis, and the signs that stand beside words.
    r"[^\x00-\x7f\u201c\u201d\u2018\u2019\xab\xbb\u2013\u2014\u2026\xb7\xb0\xa9\xae\u2122\u20ac\xa7"
    r"\xa0\xbf\xa1\xb4]{3,}"
)
"""Three and more letters beyond ASCII on end: rare, unless all letters, or halves of them, are."""

_ELSEWHERE = re.compile("[ðþýÐÞÝ]")
"""Letters that other encodings have something more frequent for."""

_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""What no line of a text holds, in whichever encoding."""
_HIGH = re.compile("[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the bytes of a file are read.

    Attributes:
        codec: Python's name; one that passes over the mark of Unicode where there is one.
        notes: what was assumed, for people.
    """

    codec: str
    notes: tuple[str, ...] = ()


def encoding_of(
    read: Callable[[], Iterator[bytes]], name: str, stated: str | None, key: str
) -> Encoding:
    """The encoding of a file.

    Args:
        read: gives its bytes, in pieces, as often as it is called.
        name: how messages call it.
        stated: what the configuration says; ``None``: nothing.
        key: of the configuration, which says it.

    Raises:
        DataError: the mark of the file says something else, or no encoding fits.
    """
    first = _first(read())
    marked = next((codec for mark, codec in MARKS if first.startswith(mark)), None)
    if stated is not None:
        return Encoding(_agreed(stated, marked, first, name, key))
    if marked is not None:
        return Encoding(marked)
    wide = _wide(first)
    if wide is not None:
        return _guess(wide, "of its zero bytes", key)
    if _JAPANESE in first:
        return _guess("iso2022_jp", "of its escapes", key)
    return Encoding("utf-8") if _is_utf8(read()) else _judged(_survey(read()), name, key)


def _guess(codec: str, why: str, key: str) -> Encoding:
    return Encoding(codec, (f"read as {codec}, because {why}; set `{key}` if that is wrong",))


def _is_utf8(blocks: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in blocks:
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _first(blocks: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < FIRST and (block := next(blocks, b"")):
        head += block
    return head


def _agreed(stated: str, marked: str | None, first: bytes, name: str, key: str) -> str:
    """The stated encoding, if the file does not say otherwise."""
    codec = codecs.lookup(stated).name
    if marked is None:
        return (_wide(first) or stated) if codec in ("utf-16", "utf-32") else stated
    family = marked.removesuffix("-sig")
    if not codec.startswith(family):
        raise DataError(
            f"{name} begins with the mark of {family.upper()}, but `{key}` says {stated}",
            f"leave it empty, or set it to {family}",
        )
    return marked


def _wide(first: bytes) -> str | None:
    """UTF-16 or UTF-32 without its mark, told by where the noughts are."""
    size = len(first) // 4
    if not size:
        return None
    # Text that may be UTF-8 as well must be full of zeros: a few may stand in any text.
    least = 0.4 if _is_utf8([first[: 4 * size]]) else 0.05
    noughts = [first[at : 4 * size : 4].count(0) / size for at in range(4)]
    for codec, enough, empty in (
        ("utf-32-le", 0.95, (2, 3)),
        ("utf-32-be", 0.95, (0, 1)),
        ("utf-16-le", least, (1, 3)),
        ("utf-16-be", least, (0, 2)),
    ):
        there = min(noughts[at] for at in empty)
        elsewhere = min(noughts[at] for at in range(4) if at not in empty)
        if there >= enough and elsewhere * 3 <= there:
            return codec
    return None


@dataclass(slots=True)
class Survey:
    """What the lines of a file are made of.

    Attributes:
        lines: how many there are.
        proper: lines with characters beyond ASCII, all in UTF-8.
        strays: lines that are not UTF-8.
        first: number of the first of these, from 1; 0: there is none.
        sample: some of these lines.
    """

    lines: int = 0
    proper: int = 0
    strays: int = 0
    first: int = 0
    sample: list[bytes] = field(default_factory=list)

    def add(self, line: bytes) -> None:
        """Look at a line."""
        self.lines += 1
        if line.isascii():
            return
        try:
            line.decode("utf-8")
            self.proper += 1
        except UnicodeDecodeError:
            self.strays += 1
            self.first = self.first or self.lines
            if len(self.sample) < SAMPLE:
                self.sample.append(line)


def _survey(blocks: Iterable[bytes]) -> Survey:
    survey, left = Survey(), b""
    for block in blocks:
        lines = (left + block).splitlines(keepends=True)
        left = lines.pop() if lines and len(lines[-1]) < BLOCK else b""
        whole = b"".join(lines)
        if whole.isascii():
            survey.lines += len(lines)
            continue
        for line in lines:
            survey.add(line)
    if left:
        survey.add(left)
    return survey


def _judged(survey: Survey, name: str, key: str) -> Encoding:
    """UTF-8, or the guess.

    Raises:
        DataError: it is neither.
    """
    if survey.strays <= STRAY * survey.lines or survey.proper * PURE > survey.strays:
        return Encoding(
            "utf-8"
        )  # lines that are not are refused, and so is the file if they are many
    problem = _no_guess(survey.sample)
    if problem and any(_BINARY.search(line) for line in survey.sample):
        hint = "name the table itself: CSV, JSON Lines, Excel or Parquet"
        raise DataError(f"{name} is no text: it may be a picture or another binary file", hint)
    if problem:
        raise DataError(
            f"{name}, line {survey.first}: not UTF-8, and {problem}",
            f"set `{key}` to what it is, such as cp1252, cp1250, cp1251 or shift_jis; or save it "
            "as UTF-8",
        )
    return _guess(GUESS, f"line {survey.first} is not UTF-8", key)


def _no_guess(sample: Iterable[bytes]) -> str | None:
    """Why lines are no text in Windows' Western encoding; ``None`` where they are."""
    try:
        text = b"".join(sample).decode(GUESS)
    except UnicodeDecodeError:
        return f"not {GUESS} either"
    high = len(_HIGH.findall(text))
    runs = sum(map(len, _RUNS.findall(text)))
    if runs > high * 0.3 or len(_IMPLAUSIBLE.findall(text)) > high * 0.05:
        return f"{GUESS} would make no words of it"
    if _ELSEWHERE.search(text):
        return f"it may be {GUESS} (Icelandic), cp1254 (Turkish) or cp1250 (Czech)"
    return None
