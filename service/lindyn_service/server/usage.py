"""The help text of `lindyn-service --help`."""

import argparse
from importlib.metadata import version

from lindyn_service.configuration.settings import Settings


def parse(arguments: list[str]) -> None:
    """Print help or version and exit, or exit with an error for unknown arguments; return if there are none."""
    parser = argparse.ArgumentParser(
        prog="lindyn-service",
        usage="lindyn-service [--help | --version | key NAME]",
        description="Run the service until a signal. With `key NAME`, generate an API key instead (`key --help`).",
        epilog=f"settings, as environment variables, with their defaults:\n{_settings()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lindyn {version('lindyn')}")
    parser.parse_args(arguments)


def _settings() -> str:
    lines: list[str] = []
    defaults: dict[str, object] = {}
    for name, field in Settings.model_fields.items():
        defaults[name] = default = field.get_default(call_default_factory=True, validated_data=defaults)
        shown = "" if default in (None, "") else f" [{default}]"
        lines.append(f"  {f'LINDYN_{name.upper()}':31} {field.description}{shown}")
    return "\n".join(lines)
