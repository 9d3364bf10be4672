"""Instructions to install optional parts of the package, for messages of the client and the service."""

from importlib.metadata import PackageNotFoundError, version


def how_to_install(*extras: str, release: str | None = None) -> str:
    """Return the command that installs lindyn from a clone or from a wheel; no package index has it.

    Args:
        extras: optional parts, such as `service` and `notebook`.
        release: version to install, by default the installed one.
    """
    part = f"[{','.join(extras)}]" if extras else ""
    clone = "a clone of lindyn" if release is None else f"a clone of lindyn {release}"
    in_clone = f"in {clone} run pip install '.{part}'"
    try:
        wheel = f"lindyn-{release or version('lindyn')}-py3-none-any.whl"
    except PackageNotFoundError:  # the package is used from a clone without installation
        return in_clone
    return f"{in_clone}, or beside a wheel pip install '{wheel}{part}'"
