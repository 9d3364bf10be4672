"""All settings of the service, from environment variables with the prefix LINDYN_."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

_MEBIBYTE = 2**20


class SettingsError(ValueError):
    """The environment asks for something unsafe or senseless."""


class Settings(BaseSettings):
    """Read once at start-up and passed on; nothing reads the environment later."""

    model_config = SettingsConfigDict(env_prefix="LINDYN_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    socket: Path | None = Field(None, description="Unix socket to listen on, instead of host and port.")
    stop_with_stdin: bool = Field(False, description="Stop when standard input ends (a private service's lifeline).")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line logged.")

    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024, description="Worker processes that compute."
    )
    queue: int = Field(64, ge=0, le=100_000, description="Computations that may wait for a worker; more get 503.")
    deadline_seconds: float = Field(
        60.0, gt=0, le=86_400, description="Longest time from admission to answer; then 504 and the worker is killed."
    )
    grace_seconds: float = Field(5.0, ge=0, le=3_600, description="Time for admitted work when the service stops.")

    redis_url: str | None = Field(
        None, description="Shared cache, redis:// or unix://; none: a private Valkey is started."
    )
    embedded_cache: bool = Field(True, description="Start a private Valkey when no redis_url is given.")
    redis_timeout_seconds: float = Field(0.5, gt=0, le=60, description="Longest wait for a reply of the shared cache.")
    cache_seconds: int = Field(7 * 86_400, ge=1, description="Time to live of an entry in the shared cache.")
    cache_value_bytes: int = Field(4 * _MEBIBYTE, ge=0, description="Largest answer kept in the shared cache.")
    memory_cache_bytes: int = Field(256 * _MEBIBYTE, ge=0, description="Bound of the cache in this process.")
    embedded_cache_bytes: int = Field(256 * _MEBIBYTE, ge=_MEBIBYTE, description="Bound of the private Valkey.")

    max_body_bytes: int = Field(64 * _MEBIBYTE, ge=1, description="Largest request body; more gets 413.")
    max_answer_bytes: int = Field(256 * _MEBIBYTE, ge=1, description="Largest estimated answer; more gets 422.")
    max_work_bytes: int = Field(4096 * _MEBIBYTE, ge=1, description="Largest estimated working memory; more gets 422.")
    max_flops: float = Field(2e12, gt=0, description="Largest estimated work of a request; more gets 422.")


def load() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: one sentence for each variable that cannot be used.
    """
    try:
        return Settings()  # pyright: ignore[reportCallIssue] (pydantic's mypy-only defaults)
    except ValidationError as error:
        lines = [
            f"LINDYN_{'_'.join(str(part) for part in details['loc']).upper()}: {details['msg']}, "
            f"got {details['input']!r}"
            for details in error.errors(include_url=False)
        ]
        raise SettingsError("\n".join(lines)) from None
