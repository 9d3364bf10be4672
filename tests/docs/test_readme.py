"""The README is short, and everything in it that a reader may run works."""

import json
import re
import shlex
import subprocess

import pytest
from support.pages import ROOT, blocks, page, run_python
from support.processes import PATIENCE_SECONDS
from support.service import asking

README = page("README.md")


def test_the_readme_is_short():
    assert len(README.split()) <= 600


@pytest.mark.live
def test_five_lines_of_python_draw_a_picture(tmp_path):
    (source,) = blocks(README, "python")
    assert len(source.splitlines()) == 5
    run_python(source, tmp_path)
    assert (tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.live
def test_the_request_with_curl():
    """Sent by another client, since a machine may lack curl."""
    (command,) = [block for block in blocks(README, "sh") if "curl" in block]
    _curl, url, _header, header, _data, body = shlex.split(command)
    assert url.startswith("http://127.0.0.1:8000/")
    with asking(workers=1) as http:
        answer = http.post(
            url.removeprefix("http://127.0.0.1:8000"), content=body, headers=dict([header.split(": ", 1)])
        )
    assert answer.status_code == 200
    quantities = answer.json()["quantities"]
    assert {name: len(values) for name, values in quantities.items()} == {"loss": 6, "singular_values": 6}
    assert json.loads(body)["times"]["num"] == 6


def test_the_two_commands_are_targets_of_make():
    """`make serve` is the command that all tests of a live service start, and `make test` runs this test."""
    (commands,) = [block for block in blocks(README, "sh") if "make" in block]
    names = re.findall(r"^make (\S+)", commands, re.M)
    assert names == ["serve", "test"]
    for name in names:
        dry = subprocess.run(
            ["make", "--dry-run", "--assume-old=.venv/.service", "--assume-old=.venv/.dev", name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        assert {"serve": "-m lindyn_service", "test": "pytest"}[name] in dry.stdout


def test_pictures_and_links_exist():
    targets = [target.partition("#") for target in re.findall(r"\]\(([^)]+)\)", README)]
    for path, _, anchor in targets:
        if path.startswith("https:"):
            continue
        assert (ROOT / path).exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.+)$", page(path), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}, anchor
