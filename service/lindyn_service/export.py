"""Print the OpenAPI document of the service: `python -m lindyn_service.export`."""

import json
import sys

from lindyn_service.app import create_app
from lindyn_service.settings import Settings

if __name__ == "__main__":
    json.dump(create_app(Settings()).openapi(), sys.stdout, indent=2)
    sys.stdout.write("\n")
