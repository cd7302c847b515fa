"""Runs the service: ``python -m praxis_example``."""

import signal
import sys

from praxis_example.server import serve


def main() -> int:
    """Serve standard input until it ends or the service is told to stop."""
    # As the first process of a container nobody else gives SIGTERM a meaning.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except (KeyboardInterrupt, BrokenPipeError):
        # Keeps the interpreter from writing to a closed pipe once more at its end.
        sys.stdout = None
    return 0


if __name__ == "__main__":
    sys.exit(main())
