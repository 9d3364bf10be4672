"""What the pages tell a reader to run works, and what they list is complete."""

import json
import re

import drawing
import numpy as np
import pytest
from settings_table import DERIVED_DEFAULTS, fields, with_table
from support.pages import ROOT, blocks, page, run_python, run_shell
from support.service import asking
from typer.main import get_command

from lindyn.cli import app
from lindyn.wire.method import METHODS
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest

OPENAPI = json.loads((ROOT / "openapi/openapi.json").read_text())


def rows(text, heading):
    """Cells of the table whose first column has this heading."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M)[1]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]


@pytest.mark.live
@pytest.mark.parametrize("number", [0, 1])
def test_the_first_steps(tmp_path, number):
    said = run_python(blocks(page("docs/index.md"), "python")[number], tmp_path)
    if number == 0:
        assert (tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")
    else:
        assert (tmp_path / "run.nc").exists()
        assert "exact" in said
        assert "(200, 5, 5)" in said


@pytest.mark.live
def test_models_by_other_names(tmp_path):
    said = run_python("".join(blocks(page("docs/reference/builders.md"), "python")), tmp_path).split()
    assert said[0] == "lazy"
    assert float(said[1]) < 0.05
    assert said.count("exact") == 3
    assert said[-1] == "2"


@pytest.mark.live
def test_the_command_line(tmp_path):
    solve, sweep, fit, experiment = blocks(page("docs/cli.md"), "sh")
    said = run_shell(solve, tmp_path)
    assert json.loads(said.splitlines()[0])["lambda"] == 2
    assert "time,loss,singular_values_1" in said
    assert (tmp_path / "modes.pdf").read_bytes().startswith(b"%PDF")
    with np.load(tmp_path / "run.npz") as run:
        assert run["singular_values"].shape == (6, 5)
    assert len(json.loads((tmp_path / "run.json").read_text())["quantities"]["loss"]) == 6
    run_shell(sweep, tmp_path)
    with np.load(tmp_path / "sweep.npz") as table:
        assert table["data.final_loss"].shape == (3,)
    assert "model,parameter,estimate,standard_error,low,high\nfull,time_constant," in run_shell(fit, tmp_path)
    assert (tmp_path / "estimates.npz").exists()
    assert "figure-4.6" in run_shell(experiment, tmp_path)
    assert (tmp_path / "modes.svg").read_text().startswith("<?xml")
    assert (tmp_path / "modes.npz").exists()


def test_every_command_and_option_is_described():
    text = page("docs/cli.md")
    for name, command in get_command(app).commands.items():
        assert f"`lindyn {name}" in text
        for parameter in command.params:
            for option in (option for option in parameter.opts if option.startswith("--")):
                assert option in text, f"{name} {option}"


def test_the_request_of_the_page_is_valid():
    (request,) = blocks(page("docs/quantities.md"), "json")
    read = TrajectoryRequest.model_validate_json(request)
    assert read.dims == (5, 5, 5)


def test_every_quantity_has_a_definition_shape_range_and_unit():
    table = rows(page("docs/quantities.md"), "quantity")
    assert [cells[0] for cells in table] == [f"`{name}`" for name in QUANTITIES]
    assert all(len(cells) == 5 and all(cells) for cells in table)


def test_every_method_kind_and_field_of_a_request_is_described():
    text = page("docs/quantities.md")
    for name in METHODS:
        assert f"| `{name}` |" in text
    schemas = OPENAPI["components"]["schemas"]
    for name in ("WeightsNetwork", "BalancedNetwork", "RandomNetwork", "CorrelationTask", "DataTask", "RegressionTask",
                 "SemanticTask", "SpectrumTask"):  # fmt: skip
        fields_of = schemas[name]["properties"]
        (row,) = [cells for cells in rows(text, "kind") + rows(text.split("## Tasks")[1], "kind")
                  if cells[0] == f"`{fields_of['kind']['const']}`"]  # fmt: skip
        assert {f"`{field}`" for field in fields_of if field != "kind"} <= set(re.findall(r"`\w+`", row[1])), name


def test_every_field_of_an_answer_is_described():
    named = {name for cells in rows(page("docs/quantities.md"), "field") for name in re.findall(r"`(\w+)`", cells[0])}
    assert named == set(OPENAPI["components"]["schemas"]["TrajectoryReply"]["properties"])


def test_every_route_is_described():
    known = re.sub(r"\{\w+\}", "{}", page("docs/api.md"))
    for path in OPENAPI["paths"]:
        written, last = re.sub(r"\{\w+\}", "{}", path), path.rsplit("/", 1)[1]
        assert written in known or f"`/{last}`" in known, path


@pytest.mark.live
def test_the_error_is_what_the_service_answers():
    (shown,) = map(json.loads, blocks(page("docs/api.md"), "json"))
    wrong = {"network": {"kind": "balanced", "dims": [0, 5, 5], "lambda": 1}, "task": [[1]], "times": [1]}
    with asking(workers=1) as http:
        answer = http.post("/v1/trajectories", json=wrong).json()
    assert answer.keys() == shown.keys()
    assert {**answer, "request_id": shown["request_id"]} == shown


def test_every_setting_is_described():
    """`make settings` writes the table."""
    assert with_table(page("docs/settings.md")) == page("docs/settings.md")
    assert {name for name, field in fields() if field.default_factory is not None} == set(DERIVED_DEFAULTS)
    assert len(rows(page("docs/settings.md"), "variable")) == len(fields())


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_page_is_in_the_navigation(path):
    assert f": {path.name}\n" in page("mkdocs.yml")


def test_the_drawing_agrees_with_the_code():
    """`make drawing` writes it."""
    assert drawing.drawn(drawing.shortened(drawing.imports())) == drawing.DRAWING.read_text()


def test_the_rooms_are_described():
    named = {name for cells in rows(page("docs/architecture.md"), "room") for name in re.findall(r"`(\w+)`", cells[0])}
    assert named == set(drawing.imports())


def test_the_architecture_names_files_that_exist():
    """`http/respond`, `operations/execute.read_and_address`, `_transport/send`, and paths in full."""
    text = page("docs/architecture.md")
    folders = [ROOT / "service/lindyn_service", ROOT / "client/lindyn", ROOT]
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)+)(?:\.py|\.[a-zA-Z_]+)?`", text))
    assert len(named) > 30
    for name in named:
        assert any((folder / f"{name}{end}").exists() for folder in folders for end in ("", ".py", ".md")), name
