"""What Argilla's page makes of a text, and how it counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loopd.annotation.escaping import from_page, original, shown, to_page, unpadded
from loopd.records import JsonValue

TEXTS = st.text(st.one_of(st.sampled_from("<>&;#a b/!\U0001f389é\u05d0\u200d"), st.characters()))


def marked(start: int, end: int) -> JsonValue:
    return [{"start": start, "end": end, "label": "x"}]


def test_what_chromium_reported_for_marked_words() -> None:
    text = "Ann & Bob met <b>Carl</b> &amp; co in Paris \U0001f389 today"
    assert shown(text) == "Ann & Bob met &lt;b>Carl&lt;/b> &amp;amp; co in Paris \U0001f389 today"
    for word, start, end in (("Carl", 17, 21), ("Paris", 38, 43), ("today", 47, 52)):
        place = text.index(word)
        assert from_page(text, marked(start, end)) == marked(place, place + len(word))
        assert to_page(text, marked(place, place + len(word))) == marked(start, end)


@given(TEXTS)
def test_the_text_comes_back(text: str) -> None:
    assert original(shown(text)) == text
    padded = shown(text, spans=True)
    assert original(padded).rstrip(" ") == text.rstrip(" ")
    assert len(padded) >= len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(TEXTS, st.data())
def test_spans_come_back(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    there = to_page(text, marked(start, end))
    units = text.encode("utf-16-le", "surrogatepass")
    assert isinstance(there, list)
    (span,) = there
    assert isinstance(span, dict)
    piece = units[2 * int(str(span["start"])) : 2 * int(str(span["end"]))]
    assert piece.decode("utf-16-le", "surrogatepass") == text[start:end]
    assert from_page(text, there) == marked(start, end)


def test_what_is_no_list_of_spans_is_left_as_it_is() -> None:
    for value in (None, "x", 3, ["x"], [{"start": "1", "end": None}], [{"start": -1, "end": 99}]):
        moved = from_page("abc", value)  # type: ignore[arg-type]
        expected = [{"start": -1, "end": 3}] if value == [{"start": -1, "end": 99}] else value
        assert moved == expected


def test_a_span_over_the_blanks_at_the_end_ends_with_the_text() -> None:
    text = "<b> \U0001f600"
    assert unpadded(shown(text, spans=True)) == text
    assert from_page(unpadded(shown(text, spans=True)), marked(4, 7)) == marked(4, 5)
    assert unpadded(shown("no wide one ", spans=True)) == "no wide one "
