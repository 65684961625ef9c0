"""What the commands of all stages share: they end with DVC, and what a user can mend is said in one line."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # of prctl(2)


class Failure(Exception):
    """Something that a user can mend: the message is one line that says what is wrong and what to do."""


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`: a `Failure` ends it with its one line, status 1 and no traceback."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # cleans up, unlike the default
    if "DVC_STAGE" in os.environ:  # DVC says so to the commands that it runs
        end_with_parent()
    try:
        main()
    except Failure as failure:
        raise SystemExit(str(failure)) from None
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent dies, however it dies (Linux alone)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent == 1 or os.getppid() != parent:  # it was dead before the kernel knew
        sys.exit(128 + signal.SIGTERM)
