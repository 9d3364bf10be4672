"""The command line, run as a user runs it."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from support.holding import jobs_held
from support.processes import PATIENCE_SECONDS, Service, clean_environment, eventually

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
    command = [sys.executable, "-c", "from lindyn.cli import main; main()", *map(str, arguments)]
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
    shown = lindyn("solve", "-", "--url", service.url, text=json.dumps(REQUEST))
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("<Trajectory 3-3-3, lambda = 1, 2 times, exact")
    request = tmp_path / "request.json"
    request.write_text(json.dumps(REQUEST))
    for name in ("out.npz", "out.json"):
        written = lindyn("solve", request, "-o", tmp_path / name, LINDYN_URL=service.url)
        assert written.returncode == 0, written.stderr
    document = json.loads((tmp_path / "out.json").read_text())
    with np.load(tmp_path / "out.npz", allow_pickle=False) as archive:
        assert archive["loss"].tolist() == document["quantities"]["loss"]
        assert archive["balance.lambda"].tolist() == document["quantities"]["balance"]["lambda"]
        assert json.loads(str(archive["metadata"]))["key"] == document["key"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_files_with_byte_order_marks_are_read(service, tmp_path, encoding):
    """UTF-8 and UTF-16, which the operator > of PowerShell writes."""
    request = tmp_path / "request.json"
    request.write_text(json.dumps(REQUEST, indent=1), encoding=encoding)
    for arguments, piped in ((["solve", request], b""), (["solve", "-"], request.read_bytes())):
        command = [sys.executable, "-c", "from lindyn.cli import main; main()", *map(str, arguments)]
        environment = clean_environment(LINDYN_URL=f" {service.url} ")
        run = subprocess.run(
            command, input=piped, env=environment, capture_output=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith(b"<Trajectory 3-3-3")


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
    shown = lindyn("sweep", "-", "--url", service.url, text=json.dumps(SWEEP))
    assert "final_loss: network.seed (2,)" in shown.stdout


def test_experiments_are_listed_run_and_drawn(service, tmp_path):
    listed = lindyn("experiment", "--url", service.url).stdout
    assert "figure-4.8" in listed
    run = lindyn("experiment", "figure-3.1", "-p", "seed=2", "-f", tmp_path / "x.png", "--url", service.url)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_openapi(service):
    assert "paths" in json.loads(lindyn("openapi", "--url", service.url).stdout)


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (["solve", "-"], "{", "is not JSON"),
        (["solve", "-"], "[]", "expected an object"),
        (["solve", "-"], json.dumps({**REQUEST, "times": [-1.0]}), "times"),
        (["experiment", "figure-9.9"], "", "no experiment is called"),
        (["experiment", "figure-3.1", "-p", "seed"], "", "expected name=JSON"),
    ],
)
def test_errors_have_one_line(service, arguments, text, said):
    run = lindyn(*arguments, "--url", service.url, text=text)
    assert run.returncode == 1
    assert run.stderr.startswith("lindyn: ")
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_an_invalid_address_in_the_environment_is_named():
    run = lindyn("solve", "-", text=json.dumps(REQUEST), LINDYN_URL="localhost:1")
    assert run.returncode == 1
    assert run.stderr.startswith("lindyn: LINDYN_URL: got 'localhost:1', which does not start with http://")


def test_ctrl_c_cancels_the_job(service):
    base = {**REQUEST, "network": {"kind": "balanced", "dims": [60, 60, 60], "lambda": 0.5}}
    base |= {"task": {"kind": "regression", "samples": 120}, "times": {"stop": 3.0, "num": 200}}
    slow = {"base": base, "axes": [{"path": "network.seed", "values": list(range(1000))}], "collect": ["loss"]}
    command = [sys.executable, "-c", "from lindyn.cli import main; main()", "sweep", "-", "--url", service.url]
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
    latest = service.get("/v1/jobs").json()["jobs"][0]
    assert latest["total"] == 1000
    eventually(lambda: service.get(f"/v1/jobs/{latest['id']}").json()["state"] == "cancelled")


def test_serve_starts_the_service(tmp_path):
    (tmp_path / "queue.py").write_text("raise RuntimeError\n")
    command = [sys.executable, "-P", "-c", "from lindyn.cli import main; main()", "serve", "--port", "0"]
    variables = clean_environment(LINDYN_EMBEDDED_CACHE="false", LINDYN_WORKERS="1", LINDYN_STOP_WITH_STDIN="true")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables, cwd=tmp_path
    ) as run:
        os.set_blocking(run.stderr.fileno(), True)
        assert any("running on http://127.0.0.1" in line for line in run.stderr)
        run.stdin.close()
        assert run.wait(PATIENCE_SECONDS) == 0
