"""What the README tells a new user to do, done."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.service import asking

from lindyn.wire.method import METHODS
from lindyn.wire.trajectory import QUANTITIES
from lindyn_service.configuration.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text()


def block(language, containing):
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.S) if containing in text]
    assert len(found) == 1
    return found[0]


@pytest.mark.live
def test_curl_example():
    body = re.search(r"-d '(.*)'", block("sh", "curl"), re.S)
    with asking(workers=1) as http:
        answer = http.post("/v1/trajectories", json=json.loads(body[1]))
    assert answer.status_code == 200
    assert len(answer.json()["quantities"]["loss"]) == 6


@pytest.mark.live
def test_notebook_example(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", block("python", "to_xarray")],
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
        cwd=tmp_path,
    )
    assert (tmp_path / "run.nc").exists()
    assert "exact" in run.stdout
    assert "(200, 5, 5)" in run.stdout


@pytest.mark.live
def test_sweep_example():
    source = "import numpy as np\nimport lindyn\n" + block("python", "c.sweep") + "print(picture[:5])"
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=900, check=True)
    assert run.stdout.startswith("[")
    assert "b'<?xml'" in run.stdout


def test_every_setting_is_documented_with_its_meaning():
    for name, field in Settings.model_fields.items():
        row = re.search(rf"^\| `LINDYN_{name.upper()}` \| (.+) \| (.+) \|$", README, re.M)
        assert row is not None, name
        assert row[2] == field.description


def test_every_quantity_and_method_is_documented():
    for name in (*QUANTITIES, *METHODS):
        assert f"`{name}`" in README


def test_pictures_and_links_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).parents[2] / target).exists()
