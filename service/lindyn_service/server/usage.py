"""What `lindyn-service --help` says."""

import argparse
from importlib.metadata import version
from typing import Any

from lindyn_service.configuration.settings import Settings


def parse(arguments: list[str]) -> None:
    """Say what is asked for and exit, also at what is no option; go on where there are none."""
    parser = argparse.ArgumentParser(
        prog="lindyn-service",
        usage="lindyn-service [--help | --version | key NAME]",
        description="Serve until a signal. With `key NAME`, make an API key instead (`key --help`).",
        epilog=f"settings, as environment variables, each with its default:\n{_settings()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lindyn {version('lindyn')}")
    parser.parse_args(arguments)


def _settings() -> str:
    lines: list[str] = []
    defaults: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        defaults[name] = default = field.get_default(call_default_factory=True, validated_data=defaults)
        shown = "" if default in (None, "") else f" [{default}]"
        lines.append(f"  {f'LINDYN_{name.upper()}':31} {field.description}{shown}")
    return "\n".join(lines)
