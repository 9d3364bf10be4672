"""JSON in which every field occurs once, compared with the standard library's reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lindyn.wire.json_text import RepeatedFieldError, parse_json, unique_fields

TEXT = st.text('ab:\\"', max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_texts_without_repetitions_are_read_as_by_json(value):
    text = json.dumps(value)
    assert parse_json(text) == parse_json(text.encode()) == value


@given(VALUES, VALUES, TEXT, st.sampled_from(["%s", "[%s]", "[1, %s]", '{"a": 1, "b": [[%s]]}']))
def test_repetitions_are_found_anywhere(one, other, name, around):
    named = json.dumps(name)
    text = around % f"{{{named}: {json.dumps(one)}, {named}: {json.dumps(other)}}}"
    with pytest.raises(RepeatedFieldError, match="occurs twice in one object; give it once"):
        parse_json(text)
    with pytest.raises(RepeatedFieldError):
        json.loads(text, object_pairs_hook=unique_fields)


@pytest.mark.parametrize("text", ["", "{", '{"a" 1}', '"\\ud800"', "[1,]"])
def test_other_errors_are_those_of_the_parser(text):
    with pytest.raises(ValueError, match="line 1 column") as caught:
        parse_json(text)
    assert not isinstance(caught.value, RepeatedFieldError)
