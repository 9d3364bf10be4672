"""Fetches the browser libraries that vendor.json names with `npm pack`, and writes the hashes of their files."""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "service" / "lindyn_service" / "web" / "vendor"


def main() -> None:
    """Replace the files of all libraries and the list of their hashes."""
    hashes: dict[str, str] = {}
    for name, library in json.loads((FOLDER / "vendor.json").read_text()).items():
        for path, content in packed(f"{name}@{library['version']}", library["files"]).items():
            target = FOLDER / name / path
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
            hashes[f"{name}/{path}"] = hashlib.sha256(content).hexdigest()
    lines = [f"{digest}  {path}\n" for path, digest in sorted(hashes.items())]
    (FOLDER / "SHA256SUMS").write_text("".join(lines))


def packed(package: str, files: dict[str, str]) -> dict[str, bytes]:
    """Files of a package by their new names, without references to source maps, which are not shipped."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            members = {new: archive.extractfile(f"package/{old}") for old, new in files.items()}
            return {name: _without_map(member.read()) for name, member in members.items() if member is not None}


def _without_map(content: bytes) -> bytes:
    return b"".join(line for line in content.splitlines(keepends=True) if b"sourceMappingURL=" not in line[:60])


if __name__ == "__main__":
    main()
