"""The base package is light: it imports nothing of the service, and works where that is not installed."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from support.processes import Service, clean_environment

ROOT = Path(__file__).parents[2]
HEAVY = ("fastapi", "matplotlib", "orjson", "pydantic_settings", "redis", "scipy", "starlette", "uvicorn")
BIN = Path(sys.executable).parent

BARE = f"""
import importlib.util, sys
import numpy as np
import lindyn

assert lindyn.__file__.startswith(sys.prefix), lindyn.__file__
present = [name for name in {HEAVY} if importlib.util.find_spec(name)]
assert not present, present
with lindyn.Client(sys.argv[1]) as client:
    network = {{"kind": "balanced", "dims": [2, 2, 2], "lambda": 0.5, "seed": 1}}
    found = client.trajectory(network=network, task=np.diag([3.0, 1.0]), times=np.arange(3.0))
    assert found.loss.shape == (3,)
try:
    lindyn.Client.local()
except lindyn.LocalServiceError as error:
    print(error)
"""


def run(*command: str | Path) -> str:
    ended = subprocess.run(
        command, cwd="/", env=clean_environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_importing_is_light() -> None:
    said = run(sys.executable, "-c", f"import sys, lindyn; print([name for name in {HEAVY} if name in sys.modules])")
    assert said.strip() == "[]"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_has_both_packages_and_their_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"lindyn/py.typed", "lindyn_service/py.typed", "lindyn/client.py", "lindyn_service/__main__.py"} <= set(
        names
    )
    folders = {name.split("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"lindyn", "lindyn_service"}
    assert not [name for name in names if "test" in name or "__pycache__" in name]


@pytest.mark.live
def test_the_base_package_without_the_service(wheel: Path, service: Service, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    run(BIN / "uv", "pip", "install", "--quiet", "--python", python, "-c", ROOT / "locks" / "service.txt", wheel)
    said = run(python, "-c", BARE, service.url)
    assert "pip install 'lindyn[service]'" in said
    assert "No module named 'uvicorn'" in said
