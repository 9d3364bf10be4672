"""All settings of the service, from environment variables with the prefix LINDYN_."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lindyn_service.configuration import capacity
from lindyn_service.configuration.processors import usable_processors

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Of prometheus_client: the folder where several processes that serve one address keep their numbers."""

PREFIX = "LINDYN_"
_MEBIBYTE = 2**20
OF_KUBERNETES = re.compile("(tcp|udp|sctp)://")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class SettingsError(ValueError):
    """The environment asks for something unsafe or senseless."""


class Settings(BaseSettings):
    """Read once at start-up and passed on; nothing reads the environment later."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")] = 8000
    socket: Annotated[Path | None, Field(description="Unix socket to listen on, instead of host and port.")] = None
    descriptor: Annotated[
        int | None, Field(ge=3, description="Inherited socket that listens already, instead of host and port.")
    ] = None
    processes: Annotated[
        int, Field(ge=1, le=64, description="Services that share the address, each with its workers; needs redis_url.")
    ] = 1
    process: Annotated[
        int | None, Field(ge=0, description="Which of several processes this is; set by the one that starts them.")
    ] = None
    stop_with_stdin: Annotated[
        bool, Field(description="Stop when standard input ends (a private service's lifeline).")
    ] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(_lower),
        Field(description="Least severe line logged."),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"],
        BeforeValidator(_lower),
        Field(description="Form of log lines; json has one object a line."),
    ] = "text"

    api_keys_file: Annotated[
        Path | None,
        Field(description="File of API keys, one a line by `lindyn-service key NAME`; none: no key is needed."),
    ] = None
    allow_anonymous: Annotated[
        bool, Field(description="Listen beyond this machine without keys; else that is refused.")
    ] = False
    allowed_hosts: Annotated[
        str,
        Field(description="Host names with a dot, with commas, that a service without keys answers to; * for all."),
    ] = ""
    cors_origins: Annotated[
        str, Field(description="Web pages of other sites that may ask: https://host, with commas; * for all.")
    ] = ""

    key_requests_per_minute: Annotated[
        int, Field(ge=0, description="Requests of one key in a minute; more get 429; 0 for no limit.")
    ] = 6_000
    key_requests_at_once: Annotated[
        int,
        Field(ge=0, description="Requests of one key served at once by each process; more get 429; 0 for no limit."),
    ] = 64
    key_max_jobs: Annotated[
        int, Field(ge=0, description="Jobs of one key that may wait or run; more get 429; 0 for no limit.")
    ] = 20
    key_flops_per_hour: Annotated[
        float,
        Field(
            ge=0,
            le=1e21,
            description="Work of one key in an hour, estimated or measured; more get 429; 0 for no limit.",
        ),
    ] = 0.0
    head_seconds: Annotated[
        float, Field(gt=0, le=3_600, description="Longest time for the head of a request; then the connection ends.")
    ] = 10.0
    body_seconds: Annotated[
        float, Field(gt=0, le=3_600, description="Longest time for the body of a request; then 408.")
    ] = 60.0
    stalled_seconds: Annotated[
        float, Field(gt=0, le=3_600, description="How long a client may take nothing of its answer.")
    ] = 30.0

    max_connections: Annotated[
        int | None,
        Field(
            ge=1,
            description="Connections at once; more end those that wait longest; none: by the limit of open files.",
        ),
    ] = None

    workers: Annotated[int, Field(ge=1, le=1024, description="Worker processes that compute.")] = Field(
        default_factory=usable_processors
    )
    queue: Annotated[
        int, Field(ge=0, le=100_000, description="Computations that may wait for a worker; more get 503.")
    ] = 64
    queue_seconds: Annotated[
        float,
        Field(ge=0, le=86_400, description="How long a queue may last; then one a worker may wait until it is gone."),
    ] = 2.0
    deadline_seconds: Annotated[
        float,
        Field(gt=0, le=86_400, description="Longest time from admission to answer; then 504 and the worker is killed."),
    ] = 60.0
    grace_seconds: Annotated[
        float, Field(ge=0, le=3_600, description="Time for admitted work when the service stops.")
    ] = 5.0

    job_workers: Annotated[
        int | None,
        Field(ge=1, le=1024, description="Worker processes for jobs, of lower priority; none: as many as workers."),
    ] = None
    dask_scheduler: Annotated[
        str | None, Field(description="Scheduler of a Dask cluster for jobs, tcp://host:8786; none: local processes.")
    ] = None
    dask_local: Annotated[
        int | None, Field(ge=1, le=256, description="Processes of a Dask cluster on this machine, to try one.")
    ] = None
    worker_memory_bytes: Annotated[
        int,
        Field(
            ge=capacity.LEAST_OF_WORKER,
            description="Memory of each worker process, on Linux; what takes more gets 422. Where a container has a "
            "limit, half of that is shared by all workers.",
        ),
    ] = Field(default_factory=lambda chosen: capacity.worker_memory(capacity.workers(chosen), capacity.memory()))
    job_deadline_seconds: Annotated[
        float, Field(gt=0, le=86_400, description="Longest time for a point of a job; then the job fails.")
    ] = 600.0
    job_seconds: Annotated[int, Field(ge=1, description="How long a job and its result are kept after its end.")] = (
        7 * 86_400
    )
    max_jobs: Annotated[int, Field(ge=1, description="Jobs that may wait or run; more get 503.")] = 100
    max_points: Annotated[int, Field(ge=1, le=100_000, description="Largest number of points of a sweep.")] = 100_000
    max_result_bytes: Annotated[int, Field(ge=1, description="Largest result of a job, estimated and real.")] = (
        64 * _MEBIBYTE
    )
    max_job_flops: Annotated[float, Field(gt=0, description="Largest estimated work of a job; more gets 422.")] = 1e15
    store_bytes: Annotated[
        int,
        Field(
            ge=1,
            description="Bound of all jobs in Redis with requests and small results; what ended first makes room.",
        ),
    ] = 128 * _MEBIBYTE

    redis_url: Annotated[
        str | None, Field(description="Shared cache, redis:// or unix://; none: a private Valkey is started.")
    ] = None
    embedded_cache: Annotated[bool, Field(description="Start a private Valkey when no redis_url is given.")] = True
    redis_timeout_seconds: Annotated[
        float, Field(gt=0, le=60, description="Longest wait for a reply of the shared cache.")
    ] = 0.5
    cache_seconds: Annotated[int, Field(ge=1, description="Time to live of an entry in the shared cache.")] = 7 * 86_400
    cache_value_bytes: Annotated[int, Field(ge=0, description="Largest answer kept in the shared cache.")] = (
        4 * _MEBIBYTE
    )
    memory_cache_bytes: Annotated[int, Field(ge=0, description="Bound of the cache in this process.")] = 256 * _MEBIBYTE
    embedded_cache_bytes: Annotated[int, Field(ge=_MEBIBYTE, description="Bound of the private Valkey.")] = (
        256 * _MEBIBYTE
    )
    spool_folder: Annotated[
        Path | None,
        Field(description="Folder for answers larger than cache_value_bytes; none: a temporary one of this service."),
    ] = None
    spool_bytes: Annotated[
        int,
        Field(ge=0, description="Bound of that folder; 0 keeps no answers there. At most half of what is free there."),
    ] = Field(default_factory=lambda chosen: capacity.spool(chosen.get("spool_folder")))
    results_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Bound of the files of job results there, of those above cache_value_bytes; 0 keeps these in "
            "Redis, too. At most a quarter of what is free.",
        ),
    ] = Field(default_factory=lambda chosen: capacity.results(chosen.get("spool_folder")))

    max_body_bytes: Annotated[int, Field(ge=1, description="Largest request body; more gets 413.")] = 64 * _MEBIBYTE
    max_bodies_bytes: Annotated[
        int,
        Field(ge=1, description="Request bodies under way together, max_body_bytes at least; more get 503."),
    ] = 256 * _MEBIBYTE
    max_json_parts: Annotated[
        int,
        Field(
            ge=1,
            description="Most arrays, objects and fields of JSON in a body; more gets 413, in the metadata of npz 400.",
        ),
    ] = 200_000
    max_answer_bytes: Annotated[int, Field(ge=1, description="Largest answer, estimated and real; more gets 422.")] = (
        256 * _MEBIBYTE
    )
    max_work_bytes: Annotated[
        int,
        Field(ge=1, description="Largest estimated working memory; more gets 422. At most what a worker has."),
    ] = Field(default_factory=lambda chosen: capacity.work(chosen.get("worker_memory_bytes", capacity.LEAST_OF_WORKER)))
    max_flops: Annotated[float, Field(gt=0, description="Largest estimated work of a request; more gets 422.")] = 2e12

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Blanks around a value say nothing; what is empty then is not set, nor is a port that Kubernetes means."""
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in given.items()}
        if OF_KUBERNETES.match(str(stripped.get("port"))):
            del stripped["port"]
        return {name: value for name, value in stripped.items() if value != ""}


def listed(text: str) -> frozenset[str]:
    """The parts of a setting that is a list."""
    return frozenset(part.strip() for part in text.split(",") if part.strip())
