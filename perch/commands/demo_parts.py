"""The demo's processes: each in a session of its own, logging to a file, and gone when the demo is gone."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from perch.commands.supervisor import Child

TIED = """\
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Becomes another program, one that the kernel ends together with its parent (PR_SET_PDEATHSIG is 1)."""


def tied(*command: str) -> list[str]:
    """Give a command line for a foreign program that must not outlive this process."""
    return [sys.executable, "-I", "-S", "-c", TIED, str(os.getpid()), *command]


def part(name: str, command: Sequence[str], logs: Path) -> Child:
    """Make a part of the demo, not started yet; PERCH_… variables of the user are not meant for it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PERCH_")}
    environment["PERCH_DEMO"] = "1"
    return Child(name, command, log=logs / f"{name.replace('/', '_')}.log", environment=environment, own_session=True)
