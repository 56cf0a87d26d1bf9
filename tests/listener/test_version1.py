"""Version 1's query language is refused with what to write instead; plain words are let through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.listener import DefinitionError, listener
from loopd.listener.version1 import FIELDS, GONE, STATUSES, refusal


def define(query: object, **params: object) -> None:
    listener(dataset="any", query=query, **params)(print)  # type: ignore[arg-type]


REFUSED = {
    "status:Validated": '("status", "==", "completed")',
    "status: Default": '("status", "==", "pending")',
    'status:"Edited"': '("response.status", "==", "draft")',
    "status:Discarded": '("response.status", "==", "discarded")',
    "status:(Validated OR Discarded)": '`Validated` is ("status", "==", "completed")',
    "status:Validated AND metadata.batch_id:{batch_id}": (
        'filters=[("status", "==", "completed"), ("metadata.batch_id", "==", "{batch_id}")]'
    ),
    "annotated_as:sports": '("<question>.response", "==", "sports")',
    "annotated_as:(sports OR news)": '("<question>.response", "in", ["sports", "news"])',
    "predicted_as:sports": '("<question>.suggestion", "==", "sports")',
    "predicted_by:model": '("<question>.agent", "==", "model")',
    "annotated_by:ann": "`response.user_id`",
    "predicted:ko": "compare the suggestion with the answer",
    "score:[0.2 TO 0.8]": '("<question>.score", ">=", 0.2), ("<question>.score", "<=", 0.8)',
    "score:>0.5": '("<question>.score", ">=", 0.5)',
    "score:{0 TO 0.5}": '("<question>.score", "<=", 0.5)',
    "metadata.n:[5 TO *]": '[("metadata.n", ">=", 5)]',
    "metadata.split:train refund": "and query='refund'",
    "-metadata.split:train": "no NOT",
    "NOT status:Validated": "no NOT",
    "status:Validated OR refund": "no OR",
    "id:42": '("id", "==", "42")',
    "last_updated:[2022-01-01 TO 2023-01-01]": '("updated_at", ">=", "2022-01-01")',
    "event_timestamp:>=2022-01-01": '("inserted_at", ">=", "2022-01-01")',
    "_exists_:metadata.split": "in the action",
    "text:refund": "words alone",
    "text.exact:Refund": "words alone",
    "inputs.title:refund": "words alone",
    "metrics.text_length:>10": "in the action",
    "refund AND parcel": "leave `AND` out",
    "refund && parcel": "leave `&&` out",
    "refund OR parcel": "write `|` for `OR`",
    "refund || parcel": "write `|`",
    "NOT refund": "write `-` before the word for `NOT`",
    "!refund": "write `-` before the word for `!`",
    "*": "leave `query` out",
    "*:*": "leave `query` out",
    "*fund": "only the end of a word",
    "re*nd": "only the end of a word",
    "organi?ation": "only the end of a word",
    "[1 TO 5]": "two conditions",
    "{a TO c}": "two conditions",
}


@pytest.mark.parametrize("query", REFUSED)
def test_the_old_language_is_refused_with_the_new_words(query: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        define(query, batch_id=0)
    assert "version 1's language" in caught.value.message
    assert REFUSED[query] in caught.value.message
    assert not caught.value.message.count("\n")


@pytest.mark.parametrize(
    "query",
    [
        "refund",
        "refund*",
        "refund parcel",
        "+refund -parcel",
        "refund | parcel",
        '"where is my refund"',
        "(refund | money) -parcel",
        "Re: refund",
        "note:this",
        "12:30 train",
        "https://shop.example/help",
        "status: open question",
        "text: hello",
        "id: 5",
        "Status:open",
        '"status:Validated"',
        '"terms AND conditions"',
        "terms and conditions",
        "why is it late?",
        "C++ AT&T",
        "5*3",
        "10 TO 20",
        "well-known",
        "über:uns",
        "",
    ],
)
def test_plain_words_are_let_through(query: str) -> None:
    define(query)


@given(
    st.sampled_from([*STATUSES]),
    st.sampled_from(sorted({*FIELDS, *GONE, "metadata.some"})),
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
)
def test_every_field_of_the_old_language_is_noticed(status: str, field: str, word: str) -> None:
    for query in (f"{field}:{word}", f"{word} {field}:{word}", f"status:{status} {word}"):
        assert refusal(query) is not None
        assert refusal(f'"{query}"') is None


@given(st.lists(st.from_regex(r"[a-zäöü]{1,9}[:,.!]?", fullmatch=True), max_size=6))
def test_words_with_a_colon_and_a_blank_behind_it_are_words(words: list[str]) -> None:
    query = " ".join(words)
    reserved = {*FIELDS, *GONE} - {"id", "text", "words", "inputs", "owner", "score", "tokens"}
    assert refusal(query) is None or any(word.strip(":,.!") in reserved for word in words)


def test_a_query_in_a_parameter_is_looked_at_too() -> None:
    define("{words}", words="refund")
    with pytest.raises(DefinitionError, match="version 1"):
        define("{words}", words="status:Validated")
    define("about {words}", words="refund")


def test_a_query_in_the_place_of_filters_is_explained() -> None:
    with pytest.raises(DefinitionError, match=r'list of conditions; .*\("status", "==", "comple'):
        listener(dataset="any", filters="status:Validated")  # type: ignore[arg-type]


@pytest.mark.parametrize("query", [7, ["refund"], ("status", "==", "completed")], ids=str)
def test_a_query_that_is_no_text_is_refused(query: object) -> None:
    with pytest.raises(DefinitionError, match="must be a text"):
        define(query)
