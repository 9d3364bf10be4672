"""All settings of the service, from environment variables with the prefix LINDYN_."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lindyn_service.configuration import capacity, hosts
from lindyn_service.configuration.processors import usable_processors

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Variable of prometheus_client: the folder in which processes that share an address keep their metrics."""

PREFIX = "LINDYN_"
_MEBIBYTE = 2**20
KUBERNETES_PORT = re.compile("(tcp|udp|sctp)://")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class SettingsError(ValueError):
    """The environment holds an invalid or unsafe setting."""


class Settings(BaseSettings):
    """The settings of the service, read from the environment once at start-up."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")] = 8000
    socket: Annotated[Path | None, Field(description="Unix socket to listen on, instead of host and port.")] = None
    descriptor: Annotated[
        int | None,
        Field(ge=3, description="File descriptor of an inherited listening socket, instead of host and port."),
    ] = None
    processes: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="Processes that share the address, each with its own workers; more than 1 needs redis_url.",
        ),
    ] = 1
    process: Annotated[
        int | None,
        Field(ge=0, description="Number of this process among several; set by the process that starts them."),
    ] = None
    stop_with_stdin: Annotated[
        bool, Field(description="Stop when standard input closes, as a private service does when its client ends.")
    ] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(_lower),
        Field(description="Lowest level that is logged."),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"],
        BeforeValidator(_lower),
        Field(description="Format of log lines; json writes one object per line."),
    ] = "text"

    api_keys_file: Annotated[
        Path | None,
        Field(description="File of API keys, with lines made by `lindyn-service key NAME`; none: no key is needed."),
    ] = None
    allow_anonymous: Annotated[bool, Field(description="Allow listening beyond this machine without API keys.")] = False
    allowed_hosts: Annotated[
        str,
        BeforeValidator(_lower),
        AfterValidator(hosts.names_of_hosts),
        Field(
            description="Host names with a dot that a service without keys accepts, without scheme and port, separated "
            "by commas; * for all."
        ),
    ] = ""
    cors_origins: Annotated[
        str,
        BeforeValidator(_lower),
        AfterValidator(hosts.origins_of_pages),
        Field(
            description="Origins of other web sites that may use the API, such as https://host or http://host:8080 "
            "without a path, separated by commas; * for all."
        ),
    ] = ""

    key_requests_per_minute: Annotated[
        int, Field(ge=0, description="Requests per minute of one key; more get 429; 0: no limit.")
    ] = 6_000
    key_requests_at_once: Annotated[
        int,
        Field(ge=0, description="Concurrent requests of one key in each process; more get 429; 0: no limit."),
    ] = 64
    key_max_jobs: Annotated[
        int, Field(ge=0, description="Jobs of one key that are queued or running; more get 429; 0: no limit.")
    ] = 20
    key_flops_per_hour: Annotated[
        float,
        Field(
            ge=0,
            le=1e21,
            description="Work of one key per hour in flops, estimated or measured; more gets 429; 0: no limit.",
        ),
    ] = 0.0
    head_seconds: Annotated[
        float, Field(gt=0, le=3_600, description="Time limit for the head of a request; then the connection is closed.")
    ] = 10.0
    body_seconds: Annotated[
        float, Field(gt=0, le=3_600, description="Time limit for the body of a request; then 408.")
    ] = 60.0
    stalled_seconds: Annotated[
        float,
        Field(gt=0, le=3_600, description="Time after which the connection of a client that reads nothing is closed."),
    ] = 30.0

    max_connections: Annotated[
        int | None,
        Field(
            ge=1,
            description="Connections of each process; beyond the limit, those idle for longest are closed; none: "
            "derived from the limit of open files.",
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
        Field(
            ge=0,
            le=86_400,
            description="Seconds of continuous queueing after which the queue shrinks to one request per worker.",
        ),
    ] = 2.0
    deadline_seconds: Annotated[
        float,
        Field(gt=0, le=86_400, description="Time limit from admission to answer; then 504, and the worker is killed."),
    ] = 60.0
    grace_seconds: Annotated[
        float, Field(ge=0, le=3_600, description="Time for admitted requests to finish when the service stops.")
    ] = 5.0

    job_workers: Annotated[
        int | None,
        Field(ge=1, le=1024, description="Worker processes for jobs, at lower priority; none: as many as workers."),
    ] = None
    dask_scheduler: Annotated[
        str | None, Field(description="Address of a Dask scheduler for jobs, tcp://host:8786; none: local processes.")
    ] = None
    dask_local: Annotated[
        int | None, Field(ge=1, le=256, description="Number of workers of a Dask cluster on this machine, to try one.")
    ] = None
    worker_memory_bytes: Annotated[
        int,
        Field(
            ge=capacity.MIN_WORKER_BYTES,
            description="Memory of each worker process, on Linux; a computation that needs more gets 422. In "
            "a container with a limit, all workers share half of it by default.",
        ),
    ] = Field(default_factory=lambda chosen: capacity.worker_memory(capacity.workers(chosen), capacity.memory()))
    job_deadline_seconds: Annotated[
        float, Field(gt=0, le=86_400, description="Time limit for one point of a job; then the job fails.")
    ] = 600.0
    job_seconds: Annotated[
        int, Field(ge=1, description="Time for which a job and its result are kept after its end.")
    ] = 7 * 86_400
    max_jobs: Annotated[int, Field(ge=1, description="Jobs that are queued or running; more get 503.")] = 100
    max_points: Annotated[int, Field(ge=1, le=100_000, description="Largest number of points of a sweep.")] = 100_000
    max_result_bytes: Annotated[int, Field(ge=1, description="Largest result of a job; estimated, then checked.")] = (
        64 * _MEBIBYTE
    )
    max_job_flops: Annotated[
        float, Field(gt=0, description="Largest estimated work of a job, in flops; more gets 422.")
    ] = 1e15
    store_bytes: Annotated[
        int,
        Field(
            ge=1,
            description="Size of all jobs in Redis with their requests and small results; beyond it, ended jobs of the "
            "owner that holds most bytes are removed.",
        ),
    ] = 128 * _MEBIBYTE

    redis_url: Annotated[
        str | None, Field(description="Shared cache, redis:// or unix://; none: start a private Valkey.")
    ] = None
    embedded_cache: Annotated[bool, Field(description="Start a private Valkey when no redis_url is given.")] = True
    redis_timeout_seconds: Annotated[
        float, Field(gt=0, le=60, description="Time limit for a reply of the shared cache.")
    ] = 0.5
    cache_seconds: Annotated[int, Field(ge=1, description="Time to live of an entry in the shared cache.")] = 7 * 86_400
    cache_value_bytes: Annotated[
        int, Field(ge=0, description="Largest answer in the shared cache; larger ones are files.")
    ] = 4 * _MEBIBYTE
    memory_cache_bytes: Annotated[int, Field(ge=0, description="Size of the memory cache of each process.")] = (
        256 * _MEBIBYTE
    )
    embedded_cache_bytes: Annotated[int, Field(ge=_MEBIBYTE, description="Size of the private Valkey.")] = (
        256 * _MEBIBYTE
    )
    spool_folder: Annotated[
        Path | None,
        Field(
            description="Folder for answers larger than cache_value_bytes; none: a temporary folder of this service."
        ),
    ] = None
    spool_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Size of the files of answers in that folder; 0 keeps none. By default at most half "
            "of the free space.",
        ),
    ] = Field(default_factory=lambda chosen: capacity.spool(chosen.get("spool_folder")))
    results_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Size of the files of job results in that folder; 0 keeps all results in Redis. By "
            "default at most a quarter of the free space.",
        ),
    ] = Field(default_factory=lambda chosen: capacity.results(chosen.get("spool_folder")))

    max_body_bytes: Annotated[int, Field(ge=1, description="Largest request body; more gets 413.")] = 64 * _MEBIBYTE
    max_bodies_bytes: Annotated[
        int,
        Field(ge=1, description="Size of all request bodies in flight, at least max_body_bytes; more get 503."),
    ] = 256 * _MEBIBYTE
    max_json_parts: Annotated[
        int,
        Field(
            ge=1,
            description="Largest number of arrays, objects and fields in a JSON body; more gets 413, in the "
            "metadata of npz 400.",
        ),
    ] = 200_000
    max_answer_bytes: Annotated[
        int, Field(ge=1, description="Largest answer; estimated, then checked; more gets 422.")
    ] = 256 * _MEBIBYTE
    max_work_bytes: Annotated[
        int,
        Field(
            ge=1,
            description="Largest estimated working memory of a request; more gets 422. By default at most the "
            "memory of a worker.",
        ),
    ] = Field(
        default_factory=lambda chosen: capacity.work(chosen.get("worker_memory_bytes", capacity.MIN_WORKER_BYTES))
    )
    max_flops: Annotated[float, Field(gt=0, description="Largest estimated work of a request; more gets 422.")] = 2e12

    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, values: dict[str, object]) -> dict[str, object]:
        """Strip values, and drop those that are empty, and a port variable that Kubernetes has set."""
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        if KUBERNETES_PORT.match(str(stripped.get("port"))):
            del stripped["port"]
        return {name: value for name, value in stripped.items() if value != ""}
