# SPDX-License-Identifier: ISC
"""What the tests and tests/instance ask of /proc."""
import pathlib


def is_running(pid):
    """Not so when it has ended and init has not come to look at it yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
