"""Requests that the OpenAPI document allows or forbids, alone and in sequences, to a real service (schemathesis)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.jobs import FINAL
from support.keys import KeysFile, bearer
from support.processes import Service, clean_environment, eventually

pytestmark = pytest.mark.live

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = Path(__file__).parents[2] / "openapi" / "examples"

MEBIBYTE = 2**20
OF_EACH_OPERATION = int(os.environ.get("FUZZ_EXAMPLES", "600"))

CHEAP = {
    "max_flops": 2e9,
    "max_work_bytes": 2**26,
    "max_answer_bytes": 2**20,
    "max_result_bytes": 2**20,
    "max_points": 20,
    "job_deadline_seconds": 10,
}
OFTEN = {"key_requests_per_minute": 0, "key_max_jobs": 0, "max_jobs": 1_000_000}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with keys and small limits, and two callers with one key each."""
    keys = KeysFile(tmp_path / "keys")
    callers = [
        {"name": name, "fixedHeaders": [{"name": header, "value": value} for header, value in bearer(key).items()]}
        for name, key in ((name, keys.add(name)) for name in ("ada", "bob"))
    ]
    (tmp_path / "callers.json").write_text(json.dumps({"auth": callers}))
    with Service(tcp=True, api_keys_file=keys.path, embedded_cache=True, job_workers=1, **CHEAP, **OFTEN) as service:
        yield service


def document_where_keys_are_needed(service: Service) -> dict[str, Any]:
    """The document of the service, without the option of requests without a key, with the stored examples."""
    document = service.get("/openapi.json").json()
    examples = [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json"))]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if "security" in operation:
                operation["security"].remove({})
            own = {each["summary"]: {"value": each["body"]} for each in examples if each["path"] == path}
            if own:
                operation["requestBody"]["content"]["application/json"]["examples"] = own
    return document


def fuzz(service: Service, folder: Path, *options: str) -> int:
    """Ask, and hold every answer against all checks; returns how many requests were made up.

    Shown by the report: requests that failed a check, among them those with a status of 500 or more.
    """
    document = document_where_keys_are_needed(service)
    (folder / "openapi.json").write_text(json.dumps(document))
    command = [Path(sys.executable).with_name("schemathesis"), "--no-color", "--config-file", CONFIGURATION, "run"]
    seed = ["--seed", "1"] if os.environ.get("CI") else []
    run = subprocess.run(
        [*command, "openapi.json", "--url", service.url, "--report-json-path", "report.json", *seed, *options],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    log = service.log()
    assert "Traceback" not in log, log[log.index("Traceback") :][:5_000] + run.stdout[-20_000:]
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
    report = json.loads((folder / "report.json").read_text())
    assert report["complete"]
    assert not report["failures"]
    assert not report["errors"]
    assert report["operations"]["tested"] == sum(map(len, document["paths"].values()))
    return report["test_cases"]["generated"]


def test_some_requests(service, tmp_path):
    assert fuzz(service, tmp_path, "--phases", "examples,fuzzing,stateful", "-n", "12") > 200


@pytest.mark.fuzz
def test_many_requests(service, tmp_path, record_property):
    """Every request is answered as documented, jobs end, and memory stays."""
    before = service.process.memory_info().rss
    requests = fuzz(service, tmp_path, "-n", str(OF_EACH_OPERATION))
    grown = service.process.memory_info().rss - before
    record_property("requests", requests)
    print(f"{requests} requests, {grown / MEBIBYTE:.0f} MiB more")
    assert grown < 300 * MEBIBYTE
    for caller in json.loads((tmp_path / "callers.json").read_text())["auth"]:
        with service.client(headers={each["name"]: each["value"] for each in caller["fixedHeaders"]}) as http:
            eventually(partial(have_ended, http))


def have_ended(http: httpx.Client) -> bool:
    """Whether all jobs of a caller have ended."""
    answer = http.get("/v1/jobs")
    assert answer.status_code == 200, answer.text
    return all(job["state"] in FINAL for job in answer.json()["jobs"])
