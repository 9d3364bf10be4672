from hypothesis import assume, given
from hypothesis import strategies as st

from lindyn_service.cache.envelope import seal, unseal

names, payloads = st.text(max_size=20), st.binary(max_size=200)


@given(names, payloads)
def test_an_envelope_opens_under_its_name(name: str, payload: bytes) -> None:
    assert unseal(name, seal(name, payload)) == payload


@given(names, payloads, st.data())
def test_a_changed_byte_is_detected(name: str, payload: bytes, data: st.DataObject) -> None:
    value = bytearray(seal(name, payload))
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    assert unseal(name, bytes(value)) is None


@given(names, payloads, st.data())
def test_a_truncation_is_detected(name: str, payload: bytes, data: st.DataObject) -> None:
    value = seal(name, payload)
    assert unseal(name, value[: data.draw(st.integers(0, len(value) - 1))]) is None


@given(names, payloads, st.binary(min_size=1, max_size=9))
def test_additional_bytes_are_detected(name: str, payload: bytes, more: bytes) -> None:
    assert unseal(name, seal(name, payload) + more) is None


@given(names, names, payloads)
def test_another_name_is_detected(name: str, other: str, payload: bytes) -> None:
    assume(name != other)
    assert unseal(other, seal(name, payload)) is None


@given(names.filter(str.isascii).filter(bool), payloads)
def test_name_and_content_are_separated_unambiguously(name: str, payload: bytes) -> None:
    value = seal(name, payload)
    head = value[: len(value) - len(payload)]
    assert unseal(name[:-1], head + name[-1].encode() + payload) is None


@given(names, payloads)
def test_bytes_without_an_envelope_are_detected(name: str, value: bytes) -> None:
    assert unseal(name, value) is None


def test_the_layout_is_that_of_stored_values() -> None:
    """A change of the layout requires a new version in the magic number."""
    digest = "80536d2cf8553ee210ba3ae6adf9cff1"
    assert seal("name", b"payload").hex()[:40] == b"LDC1".hex() + digest
