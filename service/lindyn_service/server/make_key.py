"""`lindyn-service key NAME`: makes a key."""

import argparse
import sys

from lindyn_service.access.keys import SCOPES, KeysError, make


def main(arguments: list[str]) -> None:
    """Print the line for the file on standard output, and the key, this once, on standard error."""
    parser = argparse.ArgumentParser(
        prog="lindyn-service key",
        description="Make an API key. The line for the file of keys goes to standard output, so append it: "
        "lindyn-service key NAME >> FILE. The key itself is shown once, on standard error.",
    )
    parser.add_argument("name", help="whose key it is; jobs belong to names")
    parser.add_argument(
        "--scopes", default="solve,jobs", help=f"what it may do: {','.join(SCOPES)}; default solve,jobs"
    )
    chosen = parser.parse_args(arguments)
    try:
        key, line = make(chosen.name, tuple(chosen.scopes.split(",")))
    except KeysError as error:
        sys.exit(f"lindyn: {error}")
    print(line)
    print(f"the key of {chosen.name}, which is not shown again: {key}", file=sys.stderr)
