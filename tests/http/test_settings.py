"""Settings: descriptions, units in names, and errors of one sentence."""

import os
import re

import pytest
from pydantic import ValidationError

from lindyn_service.configuration.environment import load, refuse_unknown, warnings_of_environment
from lindyn_service.configuration.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in list(os.environ):
        if name.startswith("LINDYN_"):
            monkeypatch.delenv(name)


FIELDS = Settings.model_fields


def test_each_setting_is_described_by_a_sentence():
    assert not [name for name, field in FIELDS.items() if not re.fullmatch(r"[A-Z].*\.", field.description or "", re.S)]


def test_amounts_have_their_unit_in_the_name():
    counts = {"port", "workers", "queue", "processes", "max_jobs", "max_points", "max_json_parts"}
    counts |= {"key_requests_per_minute", "key_requests_at_once", "key_max_jobs", "key_flops_per_hour"}
    amounts = [name for name, field in FIELDS.items() if field.annotation in (int, float) and name not in counts]
    assert not [name for name in amounts if not name.endswith(("_seconds", "_bytes", "_flops"))]


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


def test_settings_are_immutable():
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
        ("log_level", "critical", "allowed are 'debug', 'info', 'warning', 'error'"),
        ("port", "tcp:8000", "an integer"),
        ("port", "  65536 ", "at most 65535"),
        ("max_body_bytes", "0", "at least 1"),
        ("max_answer_bytes", "0", "at least 1"),
        ("max_work_bytes", "0", "at least 1"),
        ("max_flops", "0", "more than 0"),
        ("max_flops", "nan", "more than 0"),
    ],
)
def test_invalid_values_are_refused_in_one_sentence(monkeypatch, name, value, text):
    monkeypatch.setenv(f"LINDYN_{name.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        load()
    said = str(caught.value)
    assert said.startswith(f"LINDYN_{name.upper()}: got {value.strip()!r}, ")
    assert said.endswith(text)
    assert "Input should" not in said
    assert "\n" not in said


@pytest.mark.parametrize("nothing", ["", "  ", "\t"])
def test_an_empty_value_is_the_default(monkeypatch, nothing):
    for name in FIELDS:
        monkeypatch.setenv(f"LINDYN_{name.upper()}", nothing)
    assert load() == Settings()


SENSIBLE = {
    "cors_origins": "https://lab.example",
    "host": "localhost",
    "socket": "/tmp/x",
    "descriptor": "3",
    "process": "1",
    "log_level": "error",
    "log_format": "json",
    "api_keys_file": "/tmp/keys",
    "dask_scheduler": "tcp://host:8786",
    "dask_local": "2",
    "job_workers": "2",
    "redis_url": "redis://host:1/0",
    "spool_folder": "/tmp/spool",
    "worker_memory_bytes": "1000000000",
    "embedded_cache_bytes": "2000000",
    "max_connections": "100",
}


def test_blanks_around_a_value_are_ignored(monkeypatch):
    for name, field in FIELDS.items():
        kind = str(field.annotation)
        value = SENSIBLE.get(name) or ("true" if "bool" in kind else "a" if "str" in kind else "1")
        with monkeypatch.context() as environment:
            environment.setenv(f"LINDYN_{name.upper()}", value)
            plain = load()
            environment.setenv(f"LINDYN_{name.upper()}", f" \t{value}\r\n")
            assert load() == plain, name
        assert getattr(plain, name) == type(getattr(plain, name))(True if value == "true" else value), name


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("log_level", "INFO", "info"),
        ("log_level", " Warning ", "warning"),
        ("log_level", "DEBUG", "debug"),
        ("log_format", "JSON", "json"),
        ("log_format", "Text", "text"),
        ("embedded_cache", "FALSE", False),
        ("allow_anonymous", "Yes", True),
    ],
)
def test_the_case_of_values_is_ignored(monkeypatch, name, value, meant):
    monkeypatch.setenv(f"LINDYN_{name.upper()}", value)
    assert getattr(load(), name) == meant
    assert warnings_of_environment() == []


OF_KUBERNETES = {
    "LINDYN_SERVICE_HOST": "10.0.0.5",
    "LINDYN_SERVICE_PORT": "8000",
    "LINDYN_SERVICE_PORT_HTTP": "8000",
    "LINDYN_PORT": "tcp://10.0.0.5:8000",
    "LINDYN_PORT_8000_TCP": "tcp://10.0.0.5:8000",
    "LINDYN_PORT_8000_TCP_PROTO": "tcp",
    "LINDYN_PORT_8000_TCP_PORT": "8000",
    "LINDYN_PORT_8000_TCP_ADDR": "10.0.0.5",
}


@pytest.mark.parametrize("port", ["tcp://10.0.0.5:8000", "udp://[fd00::5]:8000", "sctp://10.0.0.5:8000"])
def test_variables_of_kubernetes_for_a_service_called_lindyn_are_ignored(monkeypatch, port):
    for name, value in {**OF_KUBERNETES, "LINDYN_PORT": port}.items():
        monkeypatch.setenv(name, value)
    assert load() == Settings()
    assert load().port == 8000
    (said,) = warnings_of_environment()
    assert port in said
    assert "LINDYN_PORT" in said
    assert "enableServiceLinks: false" in said


def test_an_empty_key_file_setting_is_refused(monkeypatch):
    monkeypatch.setenv("LINDYN_API_KEYS_FILE", " ")
    assert warnings_of_environment() == ["LINDYN_API_KEYS_FILE is empty, which counts as not set: no key is needed"]


@pytest.mark.parametrize(
    "name", ["LINDYN_API_KEY_FILE", "LINDYN_API_KEYS_FILES", "LINDYN_APIKEYS_FILE", "lindyn_api_keyfile"]
)
def test_a_mistyped_key_file_setting_is_refused(monkeypatch, name):
    """Otherwise the service would be open without a warning."""
    monkeypatch.setenv(name, "/keys")
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == (
        f"{name}: there is no such setting, did you mean LINDYN_API_KEYS_FILE? Without it, no key would be needed"
    )
    monkeypatch.setenv("LINDYN_API_KEYS_FILE", "/keys")
    assert str(load().api_keys_file) == "/keys"
    assert warnings_of_environment() == [f"{name}: there is no such setting, did you mean LINDYN_API_KEYS_FILE?"]


def test_other_mistyped_settings_are_reported(monkeypatch):
    monkeypatch.setenv("LINDYN_WORKER", "2")
    monkeypatch.setenv("LINDYN_API_KEY", "of the client")
    monkeypatch.setenv("LINDYN_URL", "http://elsewhere")
    monkeypatch.setenv("LINDYN_QUARTZ", "of somebody else")
    load()
    assert warnings_of_environment() == ["LINDYN_WORKER: there is no such setting, did you mean LINDYN_WORKERS?"]


def test_each_mistyped_setting_has_one_line(monkeypatch):
    monkeypatch.setenv("LINDYN_WORKERS", "0")
    monkeypatch.setenv("LINDYN_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        load()
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["LINDYN_PORT", "LINDYN_WORKERS"]


def test_unknown_settings_of_the_command_line_are_refused(monkeypatch):
    monkeypatch.setenv("LINDYN_WORKERS", "2")
    monkeypatch.setenv("lindyn_queue", "2")
    refuse_unknown()
    monkeypatch.setenv("LINDYN_WORKER", "2")
    monkeypatch.setenv("LINDYN_QUARTZ", "1")
    with pytest.raises(SettingsError) as caught:
        refuse_unknown()
    assert sorted(str(caught.value).splitlines()) == [
        "LINDYN_QUARTZ: there is no such setting; lindyn-service --help lists all",
        "LINDYN_WORKER: there is no such setting, did you mean LINDYN_WORKERS?",
    ]


def test_unknown_settings_are_refused():
    with pytest.raises(ValidationError, match="extra"):
        Settings(worker=2)


@pytest.mark.parametrize("kind", ["file", "below a file", "dangling link", "loop"])
def test_a_folder_that_cannot_be_made_is_refused(monkeypatch, tmp_path, kind):
    folder = tmp_path / "folder"
    if kind == "dangling link":
        folder.symlink_to(tmp_path / "nowhere")
    elif kind == "loop":
        folder.symlink_to(folder)
    else:
        folder.write_bytes(b"")
    monkeypatch.setenv("LINDYN_SPOOL_FOLDER", str(folder / "below" if kind == "below a file" else folder))
    with pytest.raises(SettingsError, match=r"LINDYN_SPOOL_FOLDER: .*folder is not a folder"):
        load()


def test_a_folder_that_can_be_made_is_not_made_before_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv("LINDYN_SPOOL_FOLDER", str(tmp_path / "deep" / "folder"))
    assert load().spool_folder == tmp_path / "deep" / "folder"
    assert list(tmp_path.iterdir()) == []
