"""The stack and the examples of deployment: settings that exist, and limits that are consistent."""

import re
import shlex
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from lindyn_service.configuration import capacity
from lindyn_service.configuration.settings import Settings
from lindyn_service.server.supervisor import SPARE_SECONDS, stop_seconds

ROOT = Path(__file__).parents[2]
MIB = 2**20
BASE_BYTES = 128 * MIB  # of a process of the service and of each idle worker, by measurement
PROCESS_TASKS = 64  # threads of a process of the service: its own, those for files, and those of libraries
WORKER_TASKS = 8
METRICS_BYTES = 8 * MIB  # of a process: some files of 64 KiB that double

UNITS = {"": 1, "k": 2**10, "m": MIB, "g": 2**30}


def size(text: object) -> int:
    """Bytes of 64m, 4G, 6Gi or 1GiB."""
    number, unit = re.fullmatch(r"(\d+)([kmg]?)(?:i?b?)", str(text).lower()).groups()
    return int(number) * UNITS[unit]


def settings(environment: dict[str, object], monkeypatch: pytest.MonkeyPatch, memory: int) -> Settings:
    """Settings of a service with this environment and this memory."""
    names = {name.removeprefix("LINDYN_").lower(): str(value) for name, value in environment.items()}
    assert set(names) <= set(Settings.model_fields)
    monkeypatch.setattr(capacity, "memory", lambda: memory)
    monkeypatch.delenv("LINDYN_WORKERS", raising=False)
    return Settings(**names)


def fits(chosen: Settings, *, memory: int, tasks: int, stop: float, temporary: int, volume: int | None) -> None:
    workers = capacity.workers({name: getattr(chosen, name) for name in Settings.model_fields})
    each = BASE_BYTES + chosen.memory_cache_bytes + chosen.max_answer_bytes + chosen.max_body_bytes
    assert chosen.processes * each + workers * chosen.worker_memory_bytes + temporary <= memory
    assert chosen.worker_memory_bytes >= 512 * MIB
    assert chosen.max_work_bytes <= chosen.worker_memory_bytes
    assert chosen.processes * PROCESS_TASKS + workers * WORKER_TASKS <= tasks
    assert stop_seconds(chosen.grace_seconds) + SPARE_SECONDS < stop
    assert chosen.processes * METRICS_BYTES <= temporary
    assert str(chosen.spool_folder) == "/var/lib/lindyn"
    assert chosen.max_answer_bytes * 4 <= chosen.spool_bytes
    assert volume is None or chosen.spool_bytes + chosen.max_answer_bytes <= volume


def image_environment() -> dict[str, str]:
    """Settings of the image."""
    return dict(
        re.findall(r"(LINDYN_\w+)=([^\s\"]+)", (ROOT / "Dockerfile").read_text().split("ENV PATH")[1].split("#")[0])
    )


COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


def test_the_service_of_the_stack(monkeypatch):
    api = SERVICES["api"]
    chosen = settings({**image_environment(), **api["environment"]}, monkeypatch, size(api["mem_limit"]))
    fits(
        chosen,
        memory=size(api["mem_limit"]),
        tasks=api["pids_limit"],
        stop=int(api["stop_grace_period"].removesuffix("s")),
        temporary=size(api["tmpfs"][0].partition("size=")[2]),
        volume=None,
    )
    assert f"spool:{chosen.spool_folder}" in api["volumes"]
    assert "spool" in COMPOSE["volumes"]


def test_the_redis_of_the_stack():
    redis = SERVICES["redis"]
    script = redis["command"][-1]
    assert 2 * size(re.search(r"--maxmemory (\w+)", script)[1]) <= size(redis["mem_limit"])
    assert "requirepass" in script
    assert ":${LINDYN_REDIS_PASSWORD:?" in SERVICES["api"]["environment"]["LINDYN_REDIS_URL"]
    assert redis["volumes"] == ["redis:/data"]


def test_the_workers_of_the_stack():
    worker = SERVICES["worker"]
    limit = size(worker["command"][worker["command"].index("--memory-limit") + 1])
    assert limit + BASE_BYTES + size(worker["tmpfs"][0].partition("size=")[2]) <= size(worker["mem_limit"])
    assert worker["environment"] == {
        "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
        "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
    }


def test_networks_of_the_stack():
    networks = {name: set(each["networks"]) for name, each in SERVICES.items()}
    assert not networks["redis"] & (networks["scheduler"] | networks["worker"])
    assert networks["scheduler"] & networks["worker"]
    assert networks["api"] >= networks["redis"] | networks["scheduler"]
    for name in ("redis", "scheduler", "worker"):
        assert "ports" not in SERVICES[name]
        assert all(COMPOSE["networks"][network]["internal"] for network in networks[name])
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["api"]["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_containers_have_no_privileges(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["pids_limit"]


def test_the_unit_of_systemd(monkeypatch):
    lines = (ROOT / "deploy/systemd/lindyn.service").read_text()
    unit = ConfigParser(strict=False, interpolation=None, delimiters="=")
    unit.optionxform = str
    unit.read_string(lines)
    service = unit["Service"]
    environment = dict(
        each.split("=", 1) for text in re.findall(r"^Environment=(.*)$", lines, re.M) for each in shlex.split(text)
    )
    memory = size(service["MemoryMax"])
    chosen = settings({**environment, "LINDYN_REDIS_URL": "redis://r"}, monkeypatch, memory)
    stop = float(service["TimeoutStopSec"])
    fits(chosen, memory=memory, tasks=int(service["TasksMax"]), stop=stop, temporary=64 * MIB, volume=None)
    assert chosen.spool_folder == Path("/var/lib") / service["StateDirectory"]
    assert re.search(r"LINDYN_REDIS_URL=redis://:PASSWORD@", lines)


def test_the_pod_of_kubernetes(monkeypatch):
    claim, deployment, service = yaml.safe_load_all((ROOT / "deploy/kubernetes/lindyn.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {each["name"]: each.get("value", "redis://r") for each in container["env"]}
    memory = size(container["resources"]["limits"]["memory"])
    chosen = settings({**image_environment(), **environment}, monkeypatch, memory)
    volumes = {each["name"]: each for each in pod["volumes"]}
    fits(
        chosen,
        memory=memory,
        tasks=1024,  # what kubelets allow a pod at least, where they have a limit
        stop=pod["terminationGracePeriodSeconds"],
        temporary=size(volumes["temporary"]["emptyDir"]["sizeLimit"]),
        volume=size(claim["spec"]["resources"]["requests"]["storage"]),
    )
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts["spool"] == str(chosen.spool_folder)
    assert mounts["temporary"] == "/tmp"
    assert str(chosen.api_keys_file).startswith(mounts["keys"])
    assert volumes["spool"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert pod["enableServiceLinks"] is False
    assert container["ports"][0]["containerPort"] == chosen.port
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


def test_the_runtime_image_has_no_build_tools():
    runtime = (ROOT / "locks/service.txt").read_text()
    build = (ROOT / "locks/build.txt").read_text()
    for name in ("hatchling", "editables", "trove-classifiers"):
        assert not re.search(rf"^{name}==", runtime, re.M)
        assert re.search(rf"^{name}==", build, re.M)


def test_the_image_is_built_from_all_files_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    copied = re.search(r"^COPY pyproject.toml (.+) \./$", (ROOT / "Dockerfile").read_text(), re.M)[1].split()
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    for name in (project["readme"], *(path for path in project["license-files"] if "/" not in path)):
        assert name in copied
        assert f"!{name}" in let_in
