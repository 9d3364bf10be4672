"""The pages and their files: addresses by content, bytes, headers, and libraries as released."""

import gzip
import hashlib
import json
import re

import httpx
import pytest

from lindyn_service.http import assets
from lindyn_service.http.assets import FOLDER, MEDIA_TYPES

pytestmark = pytest.mark.anyio

LARGEST_PAGE = 1_500_000  # bytes, compressed


async def get(app, path, **headers):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.get(path, headers={"Accept-Encoding": "identity", **headers})


def loaded_by(text):
    """Files that a page names, and the modules that these import."""
    return sorted(set(re.findall(r'(?:href|src)="(explorer/[^"]+)"', text)))


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_are_revalidated_and_allow_only_their_own_files(app, path):
    page = await get(app, path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-content-type-options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' data: blob:"
    again = await get(app, path, **{"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_have_nothing_inline(app, path):
    text = (await get(app, path)).text
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:|https?://", text) == []
    assert "{{" not in text


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_files_under_the_address_of_their_contents_are_immutable(app, path):
    found = loaded_by((await get(app, path)).text)
    assert len(found) > 3
    for name in found:
        file = await get(app, f"/{name}")
        assert file.status_code == 200
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert file.headers["content-type"] == MEDIA_TYPES[f".{name.rsplit('.', 1)[1]}"]
        assert file.content == (FOLDER / name.split("/", 2)[2]).read_bytes()


async def test_all_modules_are_preloaded(app):
    """The page names all modules that are imported anywhere."""
    named = {name.split("/", 2)[2] for name in loaded_by((await get(app, "/")).text)}
    for path in (FOLDER / "js").glob("*.js"):
        for imported in re.findall(r'^import [^;]*?"(\.[^"]+)"', path.read_text(), re.M):
            assert (path.parent / imported).resolve().relative_to(FOLDER).as_posix() in named


async def test_compression(app):
    plain = await get(app, "/")
    packed = await get(app, "/", **{"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.headers["etag"] == f"W/{plain.headers['etag']}"
    for tags in (packed.headers["etag"], f'"x", {plain.headers["etag"]}', "*"):
        again = await get(app, "/", **{"If-None-Match": tags, "Accept-Encoding": "gzip"})
        assert again.status_code == 304


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", True),
        ("GZip;q=0.1", True),
        ("*", True),
        ("x-gzip", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("br, deflate", False),
        ("gzipped", False),
        ("", False),
    ],
)
async def test_compression_follows_the_accept_encoding_header(app, accepted, expected):
    for path in ("/", "/openapi.json"):
        answer = await get(app, path, **{"Accept-Encoding": accepted})
        assert (answer.headers.get("content-encoding") == "gzip") is expected


async def test_the_page_is_small(app):
    page = await get(app, "/")
    contents = [page.content, *[(await get(app, f"/{name}")).content for name in loaded_by(page.text)]]
    assert sum(len(gzip.compress(content)) for content in contents) < LARGEST_PAGE


@pytest.mark.parametrize(
    "name",
    [
        "js/none.js",
        "vendor/vendor.json",
        "vendor/uplot/LICENSE",
        "%2e%2e/assets.py",
        "js/%2e%2e/js/main.js",
        "",
        "index.html",
    ],
)
async def test_files_that_are_not_served(app, name):
    response = await get(app, f"/explorer/{assets.load().digest}/{name}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_files_of_another_version_are_not_found(app):
    response = await get(app, f"/explorer/{16 * '0'}/js/main.js")
    assert response.status_code == 404
    assert "immutable" not in response.headers["cache-control"]


def test_other_contents_have_another_address(tmp_path):
    (tmp_path / "index.html").write_text("<a href='{{assets}}/a.js'>")
    (tmp_path / "a.js").write_text("1")
    first = assets.load(tmp_path)
    (tmp_path / "a.js").write_text("2")
    second = assets.load(tmp_path)
    assert first.digest != second.digest
    assert first.pages["index"].content == f"<a href='explorer/{first.digest}/a.js'>".encode()


def test_libraries_are_unmodified_and_have_their_licences():
    folder = FOLDER / "vendor"
    listed = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.parent != folder}
    assert there == set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    for name, library in json.loads((folder / "vendor.json").read_text()).items():
        assert {f"{name}/{path}" for path in library["files"].values()} <= there
        assert f"{name}/LICENSE" in there
        assert re.fullmatch(r"\d+\.\d+\.\d+", library["version"])
