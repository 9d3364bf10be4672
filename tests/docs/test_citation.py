"""CITATION.cff and the metadata of the package agree with each other and with the page on theory."""

import hashlib
import re
import tomllib

import yaml
from packaging.licenses import canonicalize_license_expression
from support.pages import ROOT, page

CITATION = yaml.safe_load(page("CITATION.cff"))
PROJECT = tomllib.loads(page("pyproject.toml"))["project"]
APACHE = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_the_citation_has_the_version_and_licence_of_the_package():
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"] == canonicalize_license_expression(PROJECT["license"])
    assert [author["name"] for author in CITATION["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert PROJECT["authors"][0]["name"] in page("NOTICE")


def test_the_citation_has_the_required_fields():
    assert {"cff-version", "message", "title", "authors", "type"} <= CITATION.keys()
    for work in CITATION["references"]:
        assert {"type", "title", "authors", "year"} <= work.keys()


def test_the_citation_names_the_sources_of_the_theory():
    table = page("docs/theory.md").split("## 9 Sources")[1].split("Related work")[0]
    first_authors = {row.split()[1].strip(",") for row in table.splitlines() if re.match(r"\| [A-Z]", row)}
    cited = {(work["authors"][0]["family-names"], str(work["year"])) for work in CITATION["references"]}
    assert {name for name, _ in cited} == first_authors
    assert {year for _, year in cited} == set(re.findall(r"\((\d{4})\)", table))
    for work in CITATION["references"]:
        assert work.get("doi", work.get("url", "")).removeprefix("https://arxiv.org/abs/") in table


def test_the_licence_is_the_standard_text():
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE
