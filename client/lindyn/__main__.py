"""The entry point of the command line."""

import signal


def main() -> None:
    """Run the command line.

    Ctrl-C while libraries are imported ends the process by the signal, as it ends other programs, without a traceback.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lindyn.cli import main as run  # noqa: PLC0415 (takes half a second)

    signal.signal(signal.SIGINT, handler)
    run()


if __name__ == "__main__":
    main()
