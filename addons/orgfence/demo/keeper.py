"""Keeps the demo's proxy: a small process between the two, which sees to it that nothing is left behind.

It ends the proxy and removes the demo's folder when its own standard input ends. That is how the demo ends it, and
what the system does when the demo is killed in a way that nobody can clean up after.

Usage: python -m orgfence.demo.keeper FOLDER COMMAND...
"""

import os
import shutil
import signal
import subprocess
import sys
import threading

# The proxy ends in well under a second; longer than this it is stuck.
GRACE_SECONDS = 5


def main() -> None:
    """Run the command until it ends, or until standard input does."""
    folder, *command = sys.argv[1:]
    # The command is the demo's own.
    proxy = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603
    signal.signal(signal.SIGTERM, lambda *_: proxy.terminate())
    threading.Thread(target=_end_with_input, args=(proxy,), daemon=True).start()
    code = proxy.wait()
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


def _end_with_input(proxy: subprocess.Popen[bytes]) -> None:
    # Not `sys.stdin`: a thread that waits there holds a lock that the interpreter wants when it ends.
    while os.read(0, 4096):
        pass
    proxy.terminate()
    try:
        proxy.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        proxy.kill()


if __name__ == "__main__":
    main()
