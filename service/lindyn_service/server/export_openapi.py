"""Print the OpenAPI document of the service: `python -m lindyn_service.server.export_openapi`."""

import json
import sys

from lindyn_service.configuration.settings import Settings
from lindyn_service.server.app import create_service

if __name__ == "__main__":
    json.dump(create_service(Settings()).app.openapi(), sys.stdout, indent=2)
    sys.stdout.write("\n")
