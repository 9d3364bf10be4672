"""Metrics and labels of the example dashboard and alert rules exist in a real service."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.jobs import finished, submit, sweep
from support.processes import Service, eventually, trajectory

from lindyn_service.configuration.settings import Settings

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/lindyn.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]
OF_PROMETHEUS = {"instance", "job"}


@pytest.fixture(scope="module")
def samples() -> Iterator[dict[str, set[str]]]:
    """Names of samples with their labels, of a service that has answered a request and run a job."""
    with Service(embedded_cache=True, job_workers=1) as service, service.client() as client:
        assert service.post(trajectory()).status_code == 200
        finished(client, submit(client, sweep(seeds=1)))
        eventually(lambda: 'lindyn_jobs_ended{state="done"} 1' in client.get("/metrics").text)
        found: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(client.get("/metrics").text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
        yield found


@pytest.mark.live
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_exists_with_its_labels(samples, expression):
    names = set(re.findall(r"\b(?:lindyn|process)_\w+", expression))
    assert names <= set(samples)
    assert names or expression.startswith("up{")
    grouped = {
        label.strip() for labels in re.findall(r"(?:by|on) \(([^)]*)\)", expression) for label in labels.split(",")
    }
    matched = set(re.findall(r"(\w+)(?:=~|!=|=)\"", expression))
    known = OF_PROMETHEUS.union(*(samples[name] for name in names))
    assert grouped | matched <= known


def test_each_alert_describes_problem_and_remedy():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "remedy"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        for setting in re.findall(r"LINDYN_(\w+)", rule["annotations"]["remedy"]):
            assert setting.lower() in Settings.model_fields


def test_panels_do_not_overlap():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
