"""Writes the table of docs/settings.md from the service's settings."""

import re
import sys
from pathlib import Path

from pydantic.fields import FieldInfo

from lindyn_service.configuration.settings import PREFIX, Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

DERIVED_DEFAULTS = {
    "workers": "usable processors",
    "worker_memory_bytes": "at most 8589934592",
    "spool_bytes": "at most 4294967296",
    "results_bytes": "at most 1073741824",
    "max_work_bytes": "at most 4294967296",
}
"""Descriptions of defaults that depend on the machine."""


def main() -> None:
    """Replace the table of the page."""
    PAGE.write_text(with_table(PAGE.read_text()))


def with_table(page: str) -> str:
    """Return the page with the rows of its only table replaced by those of the settings."""
    rows = [f"| `{PREFIX}{name.upper()}` | {default(name, field)} | {field.description} |" for name, field in fields()]
    return re.sub(r"(?<=\|---\|---\|---\|\n)(\|.*\n)*", lambda _: "\n".join(rows) + "\n", page)


def fields() -> list[tuple[str, FieldInfo]]:
    """Settings in the order of their definition."""
    return list(Settings.model_fields.items())


def default(name: str, field: FieldInfo) -> str:
    """Default in the notation of an environment variable."""
    if field.default_factory is not None:
        return DERIVED_DEFAULTS[name]
    if field.default in (None, ""):
        return "none"
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


if __name__ == "__main__":
    sys.exit(main())
