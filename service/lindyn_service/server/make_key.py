"""The command `lindyn-service key NAME`, which generates an API key."""

import argparse
import sys

from lindyn_service.access.keys import SCOPES, KeysError, make


def main(arguments: list[str]) -> None:
    """Print the line for the key file on standard output, and the key itself on standard error."""
    parser = argparse.ArgumentParser(
        prog="lindyn-service key",
        description="Generate an API key. The line for the key file goes to standard output, so append it: "
        "lindyn-service key NAME >> FILE. The key itself is shown once, on standard error.",
    )
    parser.add_argument("name", help="name of the caller, to which jobs belong")
    parser.add_argument(
        "--scopes", default="solve,jobs", help=f"scopes of the key: {','.join(SCOPES)}; default solve,jobs"
    )
    chosen = parser.parse_args(arguments)
    try:
        key, line = make(chosen.name, tuple(chosen.scopes.split(",")))
    except KeysError as error:
        sys.exit(f"lindyn: {error}")
    print(line)
    print(f"the key of {chosen.name}, which is not shown again: {key}", file=sys.stderr)
