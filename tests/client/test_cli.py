"""The command line, run as a user runs it."""

import csv
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
from support.holding import jobs_held
from support.processes import PATIENCE_SECONDS, Service, clean_environment, eventually
from support.stub_server import server

from lindyn import Comparison

pytestmark = pytest.mark.live

REQUEST = {
    "network": {"kind": "balanced", "dims": [3, 3, 3], "lambda": 1.0, "seed": 1},
    "task": [[2.0, 0.3, -0.4], [0.1, -1.5, 0.2], [0.5, 0.0, 1.0]],
    "times": [0.0, 1.0],
    "quantities": ["loss", "balance"],
}
SWEEP = {"base": REQUEST, "axes": [{"path": "network.seed", "values": [1, 2]}], "collect": ["final_loss"]}


@pytest.fixture(scope="module")
def service(job_service: Service) -> Service:
    return job_service


def lindyn(*arguments, text="", **variables):
    command = [sys.executable, "-c", "from lindyn.__main__ import main; main()", *map(str, arguments)]
    return subprocess.run(
        command,
        input=text,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_solve_prints_or_writes_the_answer(service, tmp_path):
    request = tmp_path / "request.json"
    request.write_text(json.dumps(REQUEST))
    for name in ("out.npz", "out.json", "out.csv", "out.mat", "out.nc"):
        written = lindyn("solve", request, "-o", tmp_path / name, LINDYN_URL=service.url)
        assert written.returncode == 0, written.stderr
        assert written.stdout == ""
    document = json.loads((tmp_path / "out.json").read_text())
    with np.load(tmp_path / "out.npz", allow_pickle=False) as archive:
        assert archive["loss"].tolist() == document["quantities"]["loss"]
        assert archive["balance.lambda"].tolist() == document["quantities"]["balance"]["lambda"]
        assert json.loads(str(archive["metadata"]))["key"] == document["key"]
    posted = service.post(REQUEST).json()
    assert document == posted
    for arguments in ([], ["-o", "-"], ["--format", "json"]):
        piped = lindyn("solve", "-", *arguments, "--url", service.url, text=json.dumps(REQUEST))
        assert json.loads(piped.stdout) == posted, piped.stderr
    piped = lindyn("solve", "-", "--format", "csv", "--url", service.url, text=json.dumps(REQUEST))
    assert piped.stdout == (tmp_path / "out.csv").read_text()
    rows = list(csv.DictReader(piped.stdout.splitlines()))
    assert [float(row["loss"]) for row in rows] == document["quantities"]["loss"]


def test_a_terminal_gets_a_summary(service, tmp_path):
    request = tmp_path / "request.json"
    request.write_text(json.dumps(REQUEST))
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "lindyn", "solve", str(request), "--url", service.url]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=clean_environment()) as run:
        said = os.read(ours, 1000).decode()
        assert run.wait(PATIENCE_SECONDS) == 0, run.stderr.read()
    os.close(ours)
    os.close(theirs)
    assert said.startswith("<Trajectory 3-3-3, lambda = 1, 2 times, exact")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_files_with_byte_order_marks_are_read(service, tmp_path, encoding):
    """UTF-8 and UTF-16, which the operator > of PowerShell writes."""
    request = tmp_path / "request.json"
    request.write_text(json.dumps(REQUEST, indent=1), encoding=encoding)
    for arguments, piped in ((["solve", request], b""), (["solve", "-"], request.read_bytes())):
        command = [sys.executable, "-c", "from lindyn.__main__ import main; main()", *map(str, arguments)]
        environment = clean_environment(LINDYN_URL=f" {service.url} ")
        run = subprocess.run(
            command, input=piped, env=environment, capture_output=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout)["dims"] == [3, 3, 3]


def test_sweep_shows_its_progress_and_writes(service, tmp_path):
    run = lindyn("sweep", "-", "-o", tmp_path / "out.npz", "--url", service.url, text=json.dumps(SWEEP))
    assert run.returncode == 0, run.stderr
    assert "2/2" in run.stderr
    with np.load(tmp_path / "out.npz", allow_pickle=False) as archive:
        assert archive["data.final_loss"].shape == (2,)
    run = lindyn("sweep", "-", "-o", tmp_path / "out.json", "--url", service.url, text=json.dumps(SWEEP))
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["data"]["final_loss"]["dims"] == document["request"]["axes"][0]["path"].split()
    assert len(document["data"]["final_loss"]["values"]) == 2
    shown = lindyn("sweep", "-", "--format", "csv", "--url", service.url, text=json.dumps(SWEEP))
    assert shown.stdout.splitlines()[0] == "network.seed,final_loss"


def test_experiments_are_listed_run_and_drawn(service, tmp_path):
    listed = lindyn("experiment", "--url", service.url).stdout
    assert "figure-4.8" in listed
    assert lindyn("experiment", "figure-3.1", "-f", tmp_path / "x.jpg", "--url", service.url).returncode == 2
    run = lindyn("experiment", "figure-3.1", "-p", "seed=2", "-f", tmp_path / "x.png", "--url", service.url)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_openapi(service):
    assert "paths" in json.loads(lindyn("openapi", "--url", service.url).stdout)


@pytest.mark.parametrize(
    ("arguments", "text", "said", "code"),
    [
        (["solve", "-"], "{", "is not JSON", 2),
        (["solve", "-"], "[]", "expected an object", 2),
        (["solve", "-"], '{"times": [1.0], "times": [2.0]}', "the field 'times' occurs twice", 2),
        (["solve", "-"], "[" * 100_000, "lists or objects inside each other", 2),
        (["solve", "-"], json.dumps({**REQUEST, "task": json.loads("[" * 500 + "]" * 500)}), "task", 1),
        (["experiment", "figure-3.1", "-p", "seed=" + "[" * 100_000], "", "expected name=JSON", 2),
        (["solve", "-", "-o", "x" * 300 + ".csv"], json.dumps(REQUEST), "too long", 2),
        (["solve", "-"], json.dumps({**REQUEST, "times": [-1.0]}), "times", 1),
        (["solve", "-"], json.dumps({**REQUEST, "quantites": ["loss"]}), "did you mean 'quantities'?", 1),
        (["solve", "-"], json.dumps({**REQUEST, "fields": 1, "self": 2, "path": "x"}), "fields", 1),
        (["sweep", "-"], json.dumps({"base": REQUEST}), "axes", 1),
        (["sweep", "-"], json.dumps({**SWEEP, "axes": [{"path": "network.seed"}]}), "axes.0.values", 1),
        (["sweep", "-"], json.dumps({**SWEEP, "axes": {"network.seed": [1, 2]}}), "axes", 1),
        (["sweep", "-"], json.dumps({**SWEEP, "base": None}), "base", 1),
        (["fit", "-"], json.dumps({"base": REQUEST, "observations": [1], "free": 3}), "observations", 1),
        (["fit", "-"], json.dumps({"base": REQUEST, "models": ["reach"]}), "did you mean 'rich'?", 1),
        (["fit", "-"], json.dumps({"base": {"network": {"dims": "x"}}, "models": ["rich"]}), "observations", 1),
        (["experiment", "figure-9.9"], "", "no experiment is called", 1),
        (["experiment", "figure-3.1", "-p", "seed"], "", "expected name=JSON", 2),
        (["experiment", "figure-3.1", "-p", "seed=1", "-p", "seed=2"], "", "got -p seed=... twice", 2),
        (["solve", "-", "-o", "missing/x.npz"], json.dumps(REQUEST), "there is no folder missing", 2),
        (["solve", "-", "-o", "x.jpg"], json.dumps(REQUEST), "'.jpg', expected .npz, .nc, .json, .csv or .mat", 2),
        (["fit", "-", "-o", "x.nc"], json.dumps(REQUEST), "'.nc', expected .npz, .json, .csv or .mat", 2),
        (["solve", "-", "--format", "xml"], json.dumps(REQUEST), "expected json or csv", 2),
        (["solve", "-", "--format", "csv", "-o", "x.json"], json.dumps(REQUEST), "--format is for standard output", 2),
    ],
)
def test_errors_have_one_line(service, arguments, text, said, code):
    run = lindyn(*arguments, "--url", service.url, text=text)
    assert run.returncode == code
    assert run.stderr.startswith("lindyn: ")
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_names_of_files_are_checked_before_anything_is_computed(tmp_path):
    """The address has no service, so that a request would fail otherwise."""
    nowhere = ("--url", "http://127.0.0.1:9")
    locked = tmp_path / "locked"
    locked.mkdir()
    for output in (tmp_path / "missing" / "x.csv", locked, "x.tiff"):
        run = lindyn("solve", "-", "-o", output, *nowhere, text=json.dumps(REQUEST))
        assert run.returncode == 2, run.stderr
    run = lindyn("experiment", "figure-3.1", "-f", tmp_path / "missing" / "x.svg", *nowhere)
    assert run.returncode == 2
    assert "there is no folder" in run.stderr
    assert lindyn("solve", "-", *nowhere, text=json.dumps(REQUEST)).returncode == 1


def test_a_result_is_drawn(service, tmp_path):
    found = tmp_path / "run.npz"
    lindyn("solve", "-", "-o", found, "--url", service.url, text=json.dumps(REQUEST))
    drawn = lindyn("plot", found)
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout == f"{tmp_path / 'run.pdf'}\n"
    assert (tmp_path / "run.pdf").read_bytes().startswith(b"%PDF")
    drawn = lindyn("plot", found, "-q", "balance.lambda", "-o", tmp_path / "x.png", "--style", "paper")
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    for arguments, said in (
        ([found, "-q", "los"], "did you mean 'loss'"),
        ([found, "-o", tmp_path / "x.jpg"], "expected .pdf, .svg or .png"),
        ([found, "--style", "poster"], "expected 'paper' or 'slides'"),
        ([tmp_path / "x.png"], "expected .npz, .nc or .json"),
        ([tmp_path / "none.npz"], "there is no such file"),
    ):
        run = lindyn("plot", *arguments)
        assert run.returncode == 2
        assert said in " ".join(run.stderr.split())
        assert "Traceback" not in run.stderr


def test_results_in_json_and_comparisons_are_drawn(service, tmp_path):
    lindyn("solve", "-", "-o", tmp_path / "run.json", "--url", service.url, text=json.dumps(REQUEST))
    losses = {"theory": np.ones((1, 2)), "linear": np.ones((1, 2))}
    Comparison(np.array([0.0, 1.0]), losses, [None], 0.1, "exact", "0.1").save(tmp_path / "compared.npz")
    for name in ("run.json", "compared.npz"):
        drawn = lindyn("plot", tmp_path / name, "-o", tmp_path / "x.svg")
        assert drawn.returncode == 0, drawn.stderr
        assert b"<svg" in (tmp_path / "x.svg").read_bytes()
    assert lindyn("plot", tmp_path / "compared.npz", "-q", "linear").returncode == 0
    refused = lindyn("plot", tmp_path / "compared.npz", "-q", "liner")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "did you mean 'linear'" in refused.stderr


def in_a_shell(command):
    arguments = ["sh", "-c", command]
    return subprocess.run(
        arguments, env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def test_standard_output_may_be_closed(service, tmp_path):
    """A result goes to a file without it; without a file the command line is wrong."""
    request, output = tmp_path / "request.json", tmp_path / "x.csv"
    request.write_text(json.dumps(REQUEST))
    solve = f"{sys.executable} -m lindyn solve {request} --url {service.url}"
    for command, code in ((f"{solve} -o {output} >&-", 0), (f"{solve} >&-", 2)):
        run = in_a_shell(command)
        assert run.returncode == code, run.stderr
        assert "Traceback" not in run.stderr
    assert output.read_text().startswith("time,loss")


def test_version_help_and_completion():
    said = lindyn("--version")
    assert (said.returncode, said.stdout) == (0, f"lindyn {version('lindyn')}\n")
    for arguments in (["-h"], ["solve", "-h"]):
        said = lindyn(*arguments)
        assert said.returncode == 0
        assert "Usage" in said.stdout
    assert "Exit codes" in lindyn("-h").stdout
    script = lindyn("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout
    assert "_LINDYN_COMPLETE" in script or "complete" in script


def test_a_reader_that_closes_the_pipe_is_no_error(service):
    command = f"{sys.executable} -m lindyn openapi --url {service.url} | head -c 1"
    run = in_a_shell(command)
    assert (run.stdout, run.stderr) == ("{", "")


def test_ctrl_c_while_libraries_are_imported_has_no_traceback(tmp_path):
    """A stand-in for the first library announces that it is being imported, and then takes its time."""
    (tmp_path / "typer.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(600)\n")
    variables = clean_environment(PYTHONPATH=str(tmp_path))
    command = [sys.executable, "-m", "lindyn", "solve", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables
    ) as run:
        assert run.stdout.readline() == "importing\n"
        run.send_signal(signal.SIGINT)
        assert run.wait(PATIENCE_SECONDS) == -signal.SIGINT
        assert run.stderr.read() == ""


@pytest.mark.parametrize("url", ["localhost:1", "http://", "http://h:99999", "ftp://h", "http://a b", "http://h/?a=1"])
@pytest.mark.parametrize("arguments", [["solve", "-"], ["openapi"]], ids=str)
def test_an_invalid_address_is_an_error_of_usage(arguments, url):
    run = lindyn(*arguments, "--url", url, text=json.dumps(REQUEST))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"lindyn: url: got {url!r}, wh")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LINDYN_URL", "localhost:1", "LINDYN_URL: got 'localhost:1', which does not start with http://"),
        ("LINDYN_API_KEY", "two words", "LINDYN_API_KEY: the key has a blank"),
        ("SSL_CERT_FILE", "/missing.pem", "the certificates for https:// cannot be loaded"),
    ],
)
def test_an_invalid_variable_of_the_environment_is_an_error_of_usage(variable, value, said):
    address = {"LINDYN_URL": "https://127.0.0.1:1"} | {variable: value}
    run = lindyn("openapi", **address)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"lindyn: {said}")


def test_an_address_without_lindyn_is_a_failure(service):
    """Nothing listens, the name is unknown, another program answers, or the port has no TLS."""
    with server(b"<html>") as (foreign, _):
        port = service.url.rpartition(":")[2]
        for url, said in (
            ("http://127.0.0.1:1", "no answer from http://127.0.0.1:1"),
            ("http://nowhere.invalid", "no answer from http://nowhere.invalid"),
            (foreign, "cannot be read"),
            (f"https://127.0.0.1:{port}", "does the address begin with http://?"),
        ):
            run = lindyn("openapi", "--url", url)
            assert (run.returncode, run.stdout) == (1, "")
            assert said in run.stderr
            assert "Traceback" not in run.stderr


def test_a_port_that_does_not_exist_is_an_error_of_usage():
    run = lindyn("serve", "--port", "99999")
    assert run.returncode == 2
    assert "65535" in run.stderr


def test_ctrl_c_cancels_the_job(service):
    base = {**REQUEST, "network": {"kind": "balanced", "dims": [60, 60, 60], "lambda": 0.5}}
    base |= {"task": {"kind": "regression", "samples": 120}, "times": {"stop": 3.0, "num": 200}}
    slow = {"base": base, "axes": [{"path": "network.seed", "values": list(range(1000))}], "collect": ["loss"]}
    command = [sys.executable, "-c", "from lindyn.__main__ import main; main()", "sweep", "-", "--url", service.url]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run,
        service.client() as http,
        jobs_held(service, http),
    ):
        run.stdin.write(json.dumps(slow))
        run.stdin.close()
        assert "sweep" in run.stderr.read(6)  # the bar, so it follows the job
        run.send_signal(signal.SIGINT)
        assert "cancelled job" in run.stderr.read()
        run.stderr.close()
        assert run.wait(PATIENCE_SECONDS) == 130
    latest = service.get("/v1/jobs").json()["jobs"][0]
    assert latest["total"] == 1000
    eventually(lambda: service.get(f"/v1/jobs/{latest['id']}").json()["state"] == "cancelled")


def test_serve_starts_the_service(tmp_path):
    (tmp_path / "queue.py").write_text("raise RuntimeError\n")
    command = [sys.executable, "-P", "-c", "from lindyn.__main__ import main; main()", "serve", "--port", "0"]
    variables = clean_environment(LINDYN_EMBEDDED_CACHE="false", LINDYN_WORKERS="1", LINDYN_STOP_WITH_STDIN="true")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables, cwd=tmp_path
    ) as run:
        os.set_blocking(run.stderr.fileno(), True)
        assert any("running on http://127.0.0.1" in line for line in run.stderr)
        run.stdin.close()
        assert run.wait(PATIENCE_SECONDS) == 0
