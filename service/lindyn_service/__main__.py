"""Start the service: `python -m lindyn_service`, with settings from LINDYN_* variables."""

from lindyn_service.server.entry import run

if __name__ == "__main__":
    run()
