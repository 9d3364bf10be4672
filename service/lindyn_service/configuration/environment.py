"""Reading settings from the environment: invalid values are refused, names that seem misspelt are reported."""

import os
import re
import tempfile
from ipaddress import ip_address
from pathlib import Path

from pydantic import ValidationError

from lindyn.wire.validation_messages import validation_message
from lindyn.wire.wording import nearest
from lindyn_service.configuration.settings import KUBERNETES_PORT, PREFIX, Settings, SettingsError

_NOT_OF_SERVICE = re.compile("url|api_key|service_host|service_port.*|port_[0-9].*")


def load() -> Settings:
    """Read the settings from the environment and check them.

    Raises:
        SettingsError: a variable is invalid or unsafe; the message has one line per variable.
    """
    try:
        chosen = Settings()
    except ValidationError as error:
        lines = [
            f"LINDYN_{'_'.join(str(part) for part in details['loc']).upper()}: {validation_message(details)}"
            for details in error.errors(include_url=False)
            if details["type"] != "default_factory_not_called"  # a consequence of another invalid variable
        ]
        raise SettingsError("\n".join(lines)) from None
    if chosen.processes > 1 and (chosen.redis_url is None or chosen.socket is not None):
        raise SettingsError(
            f"LINDYN_PROCESSES is {chosen.processes}: several processes share cache and jobs by LINDYN_REDIS_URL and "
            "listen on LINDYN_HOST and LINDYN_PORT; set LINDYN_REDIS_URL, and do not set LINDYN_SOCKET"
        )
    for one, other in (("dask_scheduler", "dask_local"), ("descriptor", "socket")):
        if getattr(chosen, one) is not None and getattr(chosen, other) is not None:
            names = f"{PREFIX}{one.upper()} and {PREFIX}{other.upper()}"
            raise SettingsError(f"{names} exclude each other, and both are set; unset one of them")
    refuse_open_address(chosen, chosen.host if chosen.socket is None else "localhost")
    _refuse_misspelt_keys(chosen)
    _refuse_unusable_folder(chosen)
    return chosen


def _refuse_unusable_folder(chosen: Settings) -> None:
    """Refuse a folder for large answers that cannot be created or written to."""
    folder = chosen.spool_folder
    if folder is None:
        return
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not os.path.isdir(existing) or not os.access(existing, os.W_OK | os.X_OK):
        raise _unusable(existing)


def make_folder(chosen: Settings) -> None:
    """Make the folder for large answers; some file systems take no files, whatever their folders allow.

    Raises:
        SettingsError: the folder cannot be created or written to.
    """
    folder = chosen.spool_folder
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unusable(folder, f" ({error.strerror})") from error


def _unusable(folder: Path, reason: str = "") -> SettingsError:
    return SettingsError(
        f"LINDYN_SPOOL_FOLDER: {folder} is not a folder that this user can write to{reason}; set a folder that can be "
        "created or written to"
    )


def _refuse_misspelt_keys(chosen: Settings) -> None:
    """Refuse to run without API keys if the name of a variable looks like a misspelt LINDYN_API_KEYS_FILE."""
    for name, suggestion in _misspelt().items():
        if suggestion == "api_keys_file" and chosen.api_keys_file is None:
            raise SettingsError(
                f"{name}: there is no such setting{_suggestion(name)} Without it, no key would be needed"
            )


def refuse_unknown() -> None:
    """Refuse variables with the prefix LINDYN_ that are not settings, where no other program can have set them.

    Raises:
        SettingsError: there is such a variable, perhaps a misspelt one.
    """
    unknown = _unknown()
    if unknown:
        raise SettingsError("\n".join(f"{name}: there is no such setting{_suggestion(name)}" for name in unknown))


def _unknown() -> list[str]:
    """Return the names of variables with the prefix LINDYN_ that are not settings."""
    prefixed = [name for name in os.environ if name.upper().startswith(PREFIX)]
    return [name for name in prefixed if _setting(name) not in Settings.model_fields]


def _setting(name: str) -> str:
    return name.upper().removeprefix(PREFIX).lower()


def _misspelt() -> dict[str, str]:
    """Return unknown variables with the setting of a similar name, except those of the client and of Kubernetes."""
    unknown = [name for name in _unknown() if not _NOT_OF_SERVICE.fullmatch(_setting(name))]
    suggestions = {name: nearest(_setting(name), Settings.model_fields) for name in unknown}
    return {name: setting for name, setting in suggestions.items() if setting is not None}


def _suggestion(name: str) -> str:
    setting = nearest(name.upper().removeprefix(PREFIX), Settings.model_fields)
    return "; lindyn-service --help lists all" if setting is None else f", did you mean {PREFIX}{setting.upper()}?"


def warnings_of_environment() -> list[str]:
    """Return warnings about variables that have no effect although they may be meant to."""
    port, keys = os.environ.get("LINDYN_PORT", ""), os.environ.get("LINDYN_API_KEYS_FILE")
    warnings = [f"{name}: there is no such setting{_suggestion(name)}" for name in _misspelt()]
    if KUBERNETES_PORT.match(port.strip()):
        warnings.append(
            f"LINDYN_PORT is {port}, as Kubernetes sets it in pods beside a service named lindyn, and is ignored; set "
            "it to a number in the pod, or set enableServiceLinks: false"
        )
    if keys is not None and not keys.strip():
        warnings.append("LINDYN_API_KEYS_FILE is empty, which counts as not set: no key is needed")
    return warnings


def refuse_open_address(chosen: Settings, host: str) -> None:
    """Refuse to listen beyond loopback without API keys, unless that is allowed explicitly.

    Raises:
        SettingsError: the service would be open to everybody who reaches the address.
    """
    if chosen.api_keys_file is None and not chosen.allow_anonymous and not _is_loopback(host):
        raise SettingsError(
            f"LINDYN_HOST is {host}: without keys, everybody who reaches it could use the service; set "
            "LINDYN_API_KEYS_FILE, or LINDYN_ALLOW_ANONYMOUS=1 if something else restricts access to it"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
