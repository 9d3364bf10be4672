"""State of the application and of requests: one module accesses it."""

import re
from pathlib import Path

import lindyn_service
from lindyn_service.access.keys import ANONYMOUS
from lindyn_service.http.state import begin_request, context_of

ACCESS = re.compile(r"""\bapp\.state\b|\brequest\.state\b|\[["']state["']\]|\.setdefault\(["']state["']""")


def test_one_module_accesses_the_state_of_a_scope():
    root = Path(lindyn_service.__file__).parent
    rooms = ("http", "server", "answers", "access", "telemetry")
    files = [file for room in rooms for file in sorted((root / room).rglob("*.py"))]
    assert [file.relative_to(root).as_posix() for file in files if ACCESS.search(file.read_text())] == ["http/state.py"]


def test_the_values_of_a_request_are_found_by_its_scope():
    scope = {"type": "http"}
    context = begin_request(scope, "abc")
    assert context_of(scope) is context
    assert (context.id, context.caller, context.body_key) == ("abc", ANONYMOUS, None)
    context.release_body()


def test_a_body_is_taken_once():
    """The parser then has the only reference, so that its memory can be freed."""
    context = begin_request({}, "abc")
    context.body = b"{}"
    assert (context.take_body(), context.take_body()) == (b"{}", None)
