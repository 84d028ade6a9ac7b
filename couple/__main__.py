"""`couple` and `python -m couple`: the command line. Signals are listened to before what takes time is loaded."""

import sys

from couple.base.signals import StoppedBySignal, in_charge


def main() -> None:
    """Entry point of the process."""
    try:
        with in_charge():
            from couple.cli.main import main as command_line

            command_line()
    except StoppedBySignal as stop:  # before the command line could say so
        print(f"error: {stop}", file=sys.stderr)
        sys.exit(stop.exit_code)


if __name__ == "__main__":
    main()
