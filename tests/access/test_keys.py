"""Keys and their lines in the key file: generated lines are valid, and errors do not show the line."""

import hashlib
import math
import re

import pytest
from support.keys import key_command

from lindyn_service.access.keys import KeysError, digest_of, make, parse

DIGEST = "0" * 64


def test_a_made_line_is_the_hash_of_its_key():
    key, line = make("ada", ("solve", "jobs"))
    assert line == f"ada solve,jobs {hashlib.sha256(key.encode()).hexdigest()}"
    (entry,) = parse(line)
    assert (entry.caller.name, entry.caller.scopes) == ("ada", {"solve", "jobs"})
    assert entry.digest == digest_of(key)


def test_a_key_has_256_random_bits():
    keys = {make("ada", ("solve",))[0] for _ in range(200)}
    assert len(keys) == 200
    for key in keys:
        random = key.removeprefix("lindyn_")
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", random)
    assert 43 * math.log2(64) >= 256
    # every place takes many of the 64 values: the 200 draws of a fair place miss 39 or more of them once in 1e15
    assert all(len(set(column)) > 25 for column in list(zip(*keys, strict=True))[len("lindyn_") : -1])


@pytest.mark.parametrize("key", ["", "password", "lindyn_short", f"lindyn_{'a' * 42}!", f"lindyn_{'a' * 44}", "ä" * 50])
def test_keys_that_were_not_generated_are_refused(key):
    assert digest_of(key) is None


def test_comments_and_several_keys_of_one_name():
    text = f"# old and new\n\nada solve {DIGEST}\n  # of the cluster\nada solve {'1' * 64}\r\n"
    assert [entry.caller.name for entry in parse(text)] == ["ada", "ada"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ada solve", "expected NAME SCOPES SHA256"),
        ("ada solve s3cret", "expected NAME SCOPES SHA256"),
        (f"ada solve {DIGEST} s3cret", "expected NAME SCOPES SHA256"),
        (f"ada solve {DIGEST[:-1]}A", "expected NAME SCOPES SHA256"),
        (f"a/da solve {DIGEST}", "a name has"),
        (f".ada solve {DIGEST}", "a name has"),
        (f"{'a' * 65} solve {DIGEST}", "a name has"),
        (f"ada solve,s3cret {DIGEST}", "scopes are solve, jobs, metrics"),
        (f"ada solve, {DIGEST}", "scopes are"),
        (f"ada solve {DIGEST}\nbob jobs {DIGEST}", "another line"),
    ],
)
def test_an_invalid_line_is_named_and_not_shown(line, text):
    with pytest.raises(KeysError) as caught:
        parse(f"# keys\n{line}")
    assert re.match(r"line [23]: ", str(caught.value))
    assert text in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_command_prints_line_and_key_separately():
    made = key_command("ada", "--scopes", "metrics")
    assert made.returncode == 0
    (entry,) = parse(made.stdout)
    key = made.stderr.split()[-1]
    assert (entry.caller.name, entry.caller.scopes, entry.digest) == ("ada", {"metrics"}, digest_of(key))
    assert key not in made.stdout


@pytest.mark.parametrize(("arguments", "text"), [(["a b"], "a name has"), (["ada", "--scopes", "root"], "scopes are")])
def test_the_command_refuses_in_one_sentence(arguments, text):
    made = key_command(*arguments)
    assert made.returncode == 1
    if " " in arguments[0]:
        text = "expected NAME SCOPES SHA256"
    assert text in made.stderr
    assert made.stdout == ""
