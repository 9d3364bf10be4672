"""Changes of the key file while the service runs: they take effect in seconds, and mistakes disable no valid key."""

import hmac
import os

import pytest

from lindyn_service.access import keyring
from lindyn_service.access.keyring import Keyring
from lindyn_service.access.keys import KeysError, make


@pytest.fixture(autouse=True)
def looks_always(monkeypatch):
    monkeypatch.setattr(keyring, "CHECK_SECONDS", 0.0)


def write(path, *lines):
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(lines))
    fresh.replace(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys"


def test_added_and_removed_keys_take_effect(path):
    (old, old_line), (new, new_line) = make("ada", ("solve",)), make("ada", ("solve", "jobs"))
    write(path, old_line)
    known = Keyring(path)
    assert known.find(old).scopes == {"solve"}
    assert known.find(new) is None
    write(path, old_line, new_line)
    assert known.find(new).scopes == {"solve", "jobs"}
    assert known.find(old) is not None
    write(path, new_line)
    assert known.find(old) is None
    assert known.find(new) is not None


@pytest.mark.parametrize(
    ("replace", "text"),
    [
        (lambda path: os.mkfifo(path, 0o600), "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.mkdir(), "cannot be read|not a regular file"),
        (lambda path: path.write_text("#" * (keyring.MAX_BYTES + 1)), "bytes, the limit is"),
    ],
    ids=["a pipe", "a device", "a folder", "a large file"],
)
def test_what_is_no_file_of_keys_does_not_stop_the_service(path, caplog, replace, text):
    """Opening a pipe waits for a writer, and a device never ends."""
    key, line = make("ada", ("solve",))
    write(path, line)
    known = Keyring(path)
    path.unlink()
    replace(path)
    assert known.find(key) is not None
    assert "remain valid" in caplog.text
    with pytest.raises(KeysError, match=text):
        Keyring(path)


def test_a_byte_order_mark_is_skipped(path):
    """Some editors write one."""
    key, line = make("ada", ("solve",))
    path.write_bytes(b"\xef\xbb\xbf" + line.encode())
    assert Keyring(path).find(key).name == "ada"


def test_a_mistake_keeps_the_previous_keys_and_is_logged(path, caplog):
    key, line = make("ada", ("solve",))
    write(path, line)
    known = Keyring(path)
    for spoil in (lambda: write(path, "ada"), lambda: write(path, ""), path.unlink):
        caplog.clear()
        spoil()
        assert known.find(key) is not None
        assert "remain valid" in caplog.text
        assert str(path) in caplog.text
    write(path, make("bob", ("solve",))[1])
    assert known.find(key) is None


@pytest.mark.parametrize("content", [b"", b"# nobody\n", b"ada solve x", b"\xff\xfe"])
def test_a_file_without_keys_is_refused_at_the_start(path, content):
    path.write_bytes(content)
    with pytest.raises(KeysError, match=str(path)):
        Keyring(path)


def test_a_missing_file_is_refused_at_the_start(path):
    with pytest.raises(KeysError, match="cannot be read"):
        Keyring(path)


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o620, 0o602])
def test_a_file_that_others_may_write_is_refused(path, mode):
    write(path, make("ada", ("solve",))[1])
    path.chmod(mode)
    with pytest.raises(KeysError, match="chmod go-w"):
        Keyring(path)
    os.chmod(path, 0o444)
    Keyring(path)


def test_every_key_is_compared_in_constant_time(path, monkeypatch):
    """As many complete comparisons for a first, last, unknown or missing key."""
    made = [make("ada", ("solve",)) for _ in range(5)]
    write(path, *(line for _, line in made))
    known = Keyring(path)
    compared = []

    right = hmac.compare_digest

    def compare(a, b):
        compared.append((a, b))
        return right(a, b)

    monkeypatch.setattr(keyring.hmac, "compare_digest", compare)
    for key in (made[0][0], made[4][0], make("bob", ("solve",))[0], "password"):
        compared.clear()
        known.find(key)
        assert len(compared) == 5
