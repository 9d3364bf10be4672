"""What the service is made of: an SBOM (CycloneDX) and a list of licences, of a bare environment from the locks.

Fails where a licence is not among those that may be shipped with software of any licence.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "service" / "lindyn_service" / "web" / "vendor"
OUT = ROOT / "out"
BIN = ROOT / ".venv" / "bin"

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-CMU",
    "MPL-2.0",
    "PSF-2.0",
    "Python-2.0",
    "Zlib",
    "License :: OSI Approved :: Apache Software License",
    "License :: OSI Approved :: BSD License",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
}
BY_FILE = {"partd": "BSD-3-Clause", "protobuf": "BSD-3-Clause"}
"""Packages whose metadata name no licence, with that of their LICENSE file."""


def main() -> int:
    """Write out/sbom.json and out/licences.txt; returns how many components have a licence that is not allowed."""
    OUT.mkdir(exist_ok=True)
    bill = of_environment(OUT / "runtime")
    bill["components"] += vendored()
    (OUT / "sbom.json").write_text(json.dumps(bill, indent=2) + "\n")
    table = [(part["name"], part["version"], licences(part)) for part in bill["components"]]
    lines = [f"{name} {version}: {'; '.join(found) or 'none is named'}\n" for name, version, found in table]
    (OUT / "licences.txt").write_text("".join(sorted(lines, key=str.lower)))
    refused = [(name, found) for name, _, found in table if not is_allowed(found)]
    for name, found in refused:
        print(f"{name}: {'; '.join(found) or 'no licence is named'}; see tools/sbom.py for those that are allowed")
    print(f"{len(table)} components, {len(refused)} of them with a licence that is not allowed: out/licences.txt")
    return len(refused)


def of_environment(folder: Path) -> dict[str, Any]:
    """Install what the service needs and nothing else, and describe it."""
    install = [BIN / "uv", "pip", "install", "--quiet", "--python", folder]
    subprocess.run([BIN / "uv", "venv", "--quiet", "--clear", "--python", BIN / "python", folder], check=True)
    subprocess.run([*install, "--require-hashes", "-r", ROOT / "locks" / "service.txt"], check=True)
    options = ["--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--output-format", "JSON"]
    described = subprocess.run([BIN / "cyclonedx-py", "environment", *options, folder], check=True, capture_output=True)
    return json.loads(described.stdout)


def vendored() -> list[dict[str, Any]]:
    """The libraries of the pages, each with the hash of the list of what its files hash to."""
    sums = (VENDOR / "SHA256SUMS").read_text().splitlines()
    return [
        {
            "type": "library",
            "bom-ref": f"{name}@{library['version']}",
            "name": name,
            "version": library["version"],
            "purl": f"pkg:npm/{name}@{library['version']}",
            "licenses": [{"license": {"id": library["licence"]}}],
            "hashes": [{"alg": "SHA-256", "content": _digest([line for line in sums if f"  {name}/" in line])}],
        }
        for name, library in json.loads((VENDOR / "vendor.json").read_text()).items()
    ]


def licences(component: dict[str, Any]) -> list[str]:
    """All that a component says of its licence: names, or expressions of SPDX."""
    said = [each.get("expression") or _named(each["license"]) for each in component.get("licenses", [])]
    return said or [BY_FILE[component["name"]]] if component["name"] in BY_FILE else said


def is_allowed(found: list[str]) -> bool:
    """Whether each licence is, and there is one."""
    return bool(found) and all(text in ALLOWED or _parts(text) <= ALLOWED for text in found)


def _named(licence: dict[str, str]) -> str:
    return licence.get("id") or licence["name"]


def _parts(expression: str) -> set[str]:
    """The licences of an expression such as `MIT AND (Apache-2.0 OR BSD-2-Clause)`."""
    return set(re.split(r" AND | OR |[()]+", expression)) - {""}


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
