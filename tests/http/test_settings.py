"""Settings: described, with units in their names, and refused in one sentence each."""

import os

import pytest
from pydantic import ValidationError

from lindyn_service.settings import Settings, SettingsError, load


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in list(os.environ):
        if name.startswith("LINDYN_"):
            monkeypatch.delenv(name)


FIELDS = Settings.model_fields


@pytest.mark.parametrize("name", FIELDS)
def test_each_is_described(name):
    description = FIELDS[name].description
    assert description
    assert description.endswith(".")
    assert description[0].isupper()


@pytest.mark.parametrize("name", FIELDS)
def test_amounts_have_their_unit_in_the_name(name):
    counts = {"port", "workers", "queue", "processes", "max_jobs", "max_points", "max_json_parts"}
    counts |= {"key_requests_per_minute", "key_requests_at_once", "key_max_jobs", "key_flops_per_hour"}
    if FIELDS[name].annotation in (int, float) and name not in counts:
        assert name.endswith(("_seconds", "_bytes", "_flops"))


def test_defaults_are_valid():
    assert Settings.model_validate(Settings().model_dump()) == load()


def test_the_environment_is_read(monkeypatch):
    monkeypatch.setenv("LINDYN_WORKERS", "3")
    monkeypatch.setenv("lindyn_deadline_seconds", "1.5")
    monkeypatch.setenv("LINDYN_SOCKET", "/tmp/x")
    monkeypatch.setenv("LINDYN_EMBEDDED_CACHE", "false")
    monkeypatch.setenv("LINDYN_URL", "http://elsewhere")  # the client's
    settings = load()
    assert (settings.workers, settings.deadline_seconds, settings.embedded_cache) == (3, 1.5, False)
    assert str(settings.socket) == "/tmp/x"


def test_they_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().workers = 2


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("port", "65536", "at most 65535"),
        ("port", "http", "an integer"),
        ("port", "-1", "at least 0"),
        ("workers", "0", "at least 1"),
        ("workers", "1025", "at most 1024"),
        ("workers", "2.5", "an integer"),
        ("workers", "", "an integer"),
        ("queue", "-1", "at least 0"),
        ("deadline_seconds", "0", "more than 0"),
        ("deadline_seconds", "nan", "at most 86400"),
        ("deadline_seconds", "inf", "at most 86400"),
        ("grace_seconds", "-1", "at least 0"),
        ("grace_seconds", "nan", "at most 3600"),
        ("redis_timeout_seconds", "0", "more than 0"),
        ("cache_seconds", "0", "at least 1"),
        ("cache_value_bytes", "4MB", "an integer"),
        ("memory_cache_bytes", "-1", "at least 0"),
        ("embedded_cache_bytes", "1000", "at least 1048576"),
        ("embedded_cache", "perhaps", "true or false"),
        ("stop_with_stdin", "2", "true or false"),
        ("log_level", "loud", ", allowed are 'debug', 'info', 'warning', 'error'"),
        ("log_level", "warn", ", did you mean 'warning'? Allowed are 'debug', 'info', 'warning', 'error'"),
        ("max_body_bytes", "0", "at least 1"),
        ("max_answer_bytes", "0", "at least 1"),
        ("max_work_bytes", "0", "at least 1"),
        ("max_flops", "0", "more than 0"),
        ("max_flops", "nan", "more than 0"),
    ],
)
def test_one_sentence_for_a_bad_value(monkeypatch, name, value, text):
    monkeypatch.setenv(f"LINDYN_{name.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        load()
    said = str(caught.value)
    assert said.startswith(f"LINDYN_{name.upper()}: got {value!r}, ")
    assert said.endswith(text)
    assert "Input should" not in said
    assert "\n" not in said


def test_one_line_each(monkeypatch):
    monkeypatch.setenv("LINDYN_WORKERS", "0")
    monkeypatch.setenv("LINDYN_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        load()
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["LINDYN_PORT", "LINDYN_WORKERS"]


def test_settings_that_do_not_exist():
    with pytest.raises(ValidationError, match="extra"):
        Settings(worker=2)
