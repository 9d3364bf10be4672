"""The base package is light: it does not import the service, and works without it."""

import re
import shlex
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from support.processes import PATIENCE_SECONDS, Service, clean_environment

from lindyn._install_hint import how_to_install

ROOT = Path(__file__).parents[2]
CLIENT_BYTES = 174_000  # pictures, tables and files of results are a third of it
LATER = ("httpx", "numpy", "pandas", "pydantic", "stamina", "tqdm", "typer", "xarray")
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


def run(*command: str | Path, cwd: Path = Path("/")) -> str:
    ended = subprocess.run(
        command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, timeout=900, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def loaded(statement: str, names: tuple[str, ...]) -> set[str]:
    said = run(
        sys.executable, "-c", f"import sys; {statement}; print(*[name for name in {names} if name in sys.modules])"
    )
    return set(said.split())


def test_importing_is_light() -> None:
    """Names are imported on first use; neither the service nor libraries for pictures and tables are imported."""
    assert loaded("import lindyn", (*HEAVY, *LATER)) == set()
    assert loaded("import lindyn.wire.trajectory", (*HEAVY, *LATER)) == {"numpy", "pydantic"}
    client = "from lindyn import *; c = Client(); balanced([2, 2, 2], lam=1)"
    assert loaded(client, (*HEAVY, "pandas", "xarray", "typer")) == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=900)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_has_both_packages_and_their_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"lindyn/py.typed", "lindyn_service/py.typed", "lindyn/_client.py", "lindyn_service/__main__.py"} <= set(
        names
    )
    folders = {name.split("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"lindyn", "lindyn_service"}
    assert not [name for name in names if {"tests", "__pycache__"} & set(name.split("/"))]


def test_the_metadata_of_the_wheel_is_valid(wheel: Path) -> None:
    """By the rules of the core metadata, with licence, authors and the files of all licences."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Metadata.from_email(archive.read(name), validate=True)
        licences = {entry.partition("/licenses/")[2] for entry in archive.namelist() if "/licenses/" in entry}
    assert metadata.license_expression == "Apache-2.0"
    assert metadata.author == "The lindyn authors"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text()
    assert licences == set(metadata.license_files or [])
    vendored = {path.relative_to(ROOT).as_posix() for path in (ROOT / "service").glob("**/vendor/*/LICENSE")}
    assert len(vendored) == 2
    assert licences >= {"LICENSE", "NOTICE"} | vendored


def test_the_client_is_small(wheel: Path) -> None:
    """Its share of the wheel; the service grows with the mathematics."""
    with zipfile.ZipFile(wheel) as archive:
        size = sum(entry.compress_size for entry in archive.infolist() if entry.filename.startswith("lindyn/"))
    assert size < CLIENT_BYTES


@pytest.mark.live
@pytest.mark.wheel
def test_from_the_wheel_to_the_first_picture_in_five_lines(wheel: Path, tmp_path: Path) -> None:
    """As the README says."""
    readme = (ROOT / "README.md").read_text()
    (five,) = [code for code in re.findall(r"```python\n(.*?)```", readme, re.S) if "savefig" in code]
    assert len(five.splitlines()) == 5
    venv.create(tmp_path / "lab", symlinks=True)
    python = tmp_path / "lab" / "bin" / "python"
    locked = ("-c", ROOT / "locks" / "dev.txt")
    run(BIN / "uv", "pip", "install", "--quiet", "--python", python, *locked, f"{wheel}[service,notebook]")
    script = tmp_path / "five.py"
    script.write_text(five)
    run(python, "-W", "error", script, cwd=tmp_path)
    assert (tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.live
@pytest.mark.wheel
def test_the_base_package_without_the_service(wheel: Path, service: Service, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    run(BIN / "uv", "pip", "install", "--quiet", "--python", python, "-c", ROOT / "locks" / "service.txt", wheel)
    said = run(python, "-c", BARE, service.url)
    assert "the service needs uvicorn, which is not installed" in said
    assert said.count("pip install") == 2
    assert how_to_install("service") in said
    ended = subprocess.run(
        [python.with_name("lindyn-service")],
        cwd="/",
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("lindyn: the service needs uvicorn")
    assert "Traceback" not in ended.stderr


@pytest.mark.wheel
@pytest.mark.parametrize("extras", [("service",), ("notebook",), ("service", "notebook"), ("dask",), ("otel",), ()])
def test_hints_name_extras_that_pip_installs(wheel: Path, extras: tuple[str, ...]) -> None:
    """In a clone, and for a wheel; pip warns of unknown extras."""
    forms = [shlex.split(form)[2] for form in re.findall(r"pip install '[^']+'", how_to_install(*extras))]
    assert len(forms) == 2
    offline = ("--dry-run", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    for form, folder in zip(forms, (ROOT, wheel.parent), strict=True):
        ended = subprocess.run(
            [sys.executable, "-m", "pip", "install", *offline, "--force-reinstall", form],
            cwd=folder,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert "Would install lindyn" in ended.stdout
        assert "does not provide" not in ended.stdout + ended.stderr


def test_nothing_names_a_package_of_an_index() -> None:
    """No index has lindyn: pages and messages name a clone or a wheel."""
    files = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("examples/*")]
    files += [*ROOT.glob("client/**/*.py"), *ROOT.glob("service/**/*.py"), *ROOT.glob("service/**/web/**/*.js")]
    named = [
        file for file in files if file.is_file() and re.search(r"install\W+lindyn(\W*$|[=<>~\[ '])", file.read_text())
    ]
    assert named == []


def test_pages_name_the_wheel_that_is_built() -> None:
    form = re.findall(r"pip install '[^']+'", how_to_install("service", "notebook"))[1]
    for page in ("README.md", "docs/index.md"):
        assert form in (ROOT / page).read_text()
