"""From the variables of the environment to settings: what cannot be used is refused, what seems mistyped is told."""

import os
import re
from ipaddress import ip_address

from pydantic import ValidationError

from lindyn.wire.validation_messages import validation_message
from lindyn.wire.wording import nearest
from lindyn_service.configuration.settings import OF_KUBERNETES, PREFIX, Settings, SettingsError

_OF_OTHERS = re.compile("url|api_key|service_host|service_port.*|port_[0-9].*")


def load() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: one sentence for each variable that cannot be used.
    """
    try:
        chosen = Settings()
    except ValidationError as error:
        lines = [
            f"LINDYN_{'_'.join(str(part) for part in details['loc']).upper()}: {validation_message(details)}"
            for details in error.errors(include_url=False)
            if details["type"] != "default_factory_not_called"  # which is only for want of those that are wrong
        ]
        raise SettingsError("\n".join(lines)) from None
    if chosen.processes > 1 and (chosen.redis_url is None or chosen.socket is not None):
        raise SettingsError(
            f"LINDYN_PROCESSES is {chosen.processes}: several processes share cache and jobs by LINDYN_REDIS_URL and "
            "listen on LINDYN_HOST and LINDYN_PORT; set LINDYN_REDIS_URL, and no LINDYN_SOCKET"
        )
    refuse_open_address(chosen, chosen.host if chosen.socket is None else "localhost")
    _refuse_lost_keys(chosen)
    _refuse_useless_folder(chosen)
    return chosen


def _refuse_useless_folder(chosen: Settings) -> None:
    """Refuse a folder for large answers that cannot be made, or be written to."""
    folder = chosen.spool_folder
    if folder is None:
        return
    there = next(each for each in (folder, *folder.absolute().parents) if each.is_symlink() or each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise SettingsError(
            f"LINDYN_SPOOL_FOLDER: {there} is no folder that this user can write to; name a folder that can be made "
            "or written"
        )


def _refuse_lost_keys(chosen: Settings) -> None:
    """Refuse to be open where a file of keys seems to be named by a variable that is none of ours."""
    for name, meant in _mistyped().items():
        if meant == "api_keys_file" and chosen.api_keys_file is None:
            raise SettingsError(f"{name}: there is no such setting{_meant(name)} Without it, nobody would need a key")


def refuse_others() -> None:
    """Refuse variables with our prefix that are no settings: others set some too, but not where we are by ourselves.

    Raises:
        SettingsError: there are such, perhaps mistyped.
    """
    others = _others()
    if others:
        raise SettingsError("\n".join(f"{name}: there is no such setting{_meant(name)}" for name in others))


def _others() -> list[str]:
    """Variables with our prefix that are no settings."""
    ours = [name for name in os.environ if name.upper().startswith(PREFIX)]
    return [name for name in ours if _setting(name) not in Settings.model_fields]


def _setting(name: str) -> str:
    return name.upper().removeprefix(PREFIX).lower()


def _mistyped() -> dict[str, str]:
    """Those whose names are near to that of a setting, with that; not what the client reads or Kubernetes sets."""
    others = [name for name in _others() if not _OF_OTHERS.fullmatch(_setting(name))]
    near = {name: nearest(_setting(name), Settings.model_fields) for name in others}
    return {name: meant for name, meant in near.items() if meant is not None}


def _meant(name: str) -> str:
    near = nearest(name.upper().removeprefix(PREFIX), Settings.model_fields)
    return "; lindyn-service --help lists all" if near is None else f", did you mean {PREFIX}{near.upper()}?"


def warnings_of_environment() -> list[str]:
    """What the log should say of variables that count as not set, and might be meant otherwise."""
    port, keys = os.environ.get("LINDYN_PORT", ""), os.environ.get("LINDYN_API_KEYS_FILE")
    said = [f"{name}: there is no such setting{_meant(name)}" for name in _mistyped()]
    if OF_KUBERNETES.match(port.strip()):
        said.append(
            f"LINDYN_PORT is {port}, as Kubernetes sets it in pods beside a service called lindyn, and counts as not "
            "set; set it to a number in the pod, or enableServiceLinks: false"
        )
    if keys is not None and not keys.strip():
        said.append("LINDYN_API_KEYS_FILE is empty, which counts as not set: nobody needs a key")
    return said


def refuse_open_address(chosen: Settings, host: str) -> None:
    """Refuse to let everybody in by accident.

    Raises:
        SettingsError: whoever reaches the address would need no key.
    """
    if chosen.api_keys_file is None and not chosen.allow_anonymous and not _is_loopback(host):
        raise SettingsError(
            f"LINDYN_HOST is {host}: without keys, everybody who reaches it could use the service; set "
            "LINDYN_API_KEYS_FILE, or LINDYN_ALLOW_ANONYMOUS=1 where something else decides who reaches it"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
