"""Software bill of materials of the service (CycloneDX) and a list of licences, of an environment from the locks.

It fails if a licence is not in the list of those that permit distribution with software of any licence.
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
"""Licences of packages whose metadata name none, from their LICENSE files."""


def main() -> int:
    """Write out/sbom.json and out/licences.txt, and return the number of components without an allowed licence."""
    OUT.mkdir(exist_ok=True)
    bill = of_environment(OUT / "runtime")
    bill["components"] += vendored()
    (OUT / "sbom.json").write_text(json.dumps(bill, indent=2) + "\n")
    table = [(part["name"], part["version"], licences(part)) for part in bill["components"]]
    lines = [f"{name} {version}: {'; '.join(names) or 'none is named'}\n" for name, version, names in table]
    (OUT / "licences.txt").write_text("".join(sorted(lines, key=str.lower)))
    refused = [(name, names) for name, _, names in table if not is_allowed(names)]
    for name, names in refused:
        print(f"{name}: {'; '.join(names) or 'no licence is named'}; see tools/sbom.py for those that are allowed")
    print(f"{len(table)} components, {len(refused)} of them with a licence that is not allowed: out/licences.txt")
    return len(refused)


def of_environment(folder: Path) -> dict[str, Any]:
    """Install the locked dependencies of the service into a new environment, and return its bill of materials."""
    install = [BIN / "uv", "pip", "install", "--quiet", "--python", folder]
    subprocess.run([BIN / "uv", "venv", "--quiet", "--clear", "--python", BIN / "python", folder], check=True)
    subprocess.run([*install, "--require-hashes", "-r", ROOT / "locks" / "service.txt"], check=True)
    options = ["--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--output-format", "JSON"]
    described = subprocess.run([BIN / "cyclonedx-py", "environment", *options, folder], check=True, capture_output=True)
    return json.loads(described.stdout)


def vendored() -> list[dict[str, Any]]:
    """Components of the vendored browser libraries, each with the hash of the list of hashes of its files."""
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
    """Licences of a component: names, or SPDX expressions."""
    names = [licence.get("expression") or _named(licence["license"]) for licence in component.get("licenses", [])]
    return names or [BY_FILE[component["name"]]] if component["name"] in BY_FILE else names


def is_allowed(names: list[str]) -> bool:
    """Whether there are licences and all of them are allowed."""
    return bool(names) and all(text in ALLOWED or _parts(text) <= ALLOWED for text in names)


def _named(licence: dict[str, str]) -> str:
    return licence.get("id") or licence["name"]


def _parts(expression: str) -> set[str]:
    """Licences in an expression such as `MIT AND (Apache-2.0 OR BSD-2-Clause)`."""
    return set(re.split(r" AND | OR |[()]+", expression)) - {""}


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
