"""Telling the broker to read its files anew, and seeing that it did.

The broker says nothing about what it has read. So there is a login whose password is another one after each writing:
once the broker lets that in, what stood in the files before it holds. mosquitto then drops by itself whoever came with
a password that is gone; whoever came with a certificate stays, without rights, until his client id is taken from him.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from perch.adapters.mqtt.visit import Visit
from perch.errors import PerchError, UnavailableError
from perch.settings import Broker, Enrolment

READ_S = 15.0
TOLD_S = 30.0
_PAUSE_S = 0.1
PROGRAM = "mosquitto"


def tell(enrolment: Enrolment) -> None:
    """Tell the broker to read its files anew, however that is done here; raises PerchError."""
    if enrolment.pid_file is not None:
        _signal(enrolment.pid_file)
    elif enrolment.reload:
        _run(enrolment.reload)


def await_reading(proof: Broker, wait: Callable[[float], object], wait_s: float = READ_S) -> None:
    """Wait until the broker has read what was written last; raises UnavailableError where it does not in time."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with Visit(proof, "", protocol=proof.protocol).connect():
                return
        except UnavailableError as error:
            if time.monotonic() >= deadline:
                what = f"the broker has not read its files within {wait_s:g} s: {error.what}"
                remedy = "see that it runs with Perch's mosquitto.conf, and reload or pid_file under [enrolment]"
                raise UnavailableError(what, remedy) from error
        wait(_PAUSE_S)


def put_out(broker: Broker, client_id: str) -> None:
    """End whatever connection has a client id, by taking it from there; raises UnavailableError."""
    with Visit(broker, client_id, protocol=broker.protocol).connect():
        return


def _signal(path: Path) -> None:
    remedy = "correct pid_file under [enrolment]"
    try:
        pid = int(path.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError) as error:
        raise PerchError(f"{path} does not name a broker that runs: {error}", remedy) from error
    if name != PROGRAM:
        raise PerchError(f"process {pid}, which {path} names, is {name} and not {PROGRAM}", remedy)
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise PerchError(
            f"the broker cannot be told to read its files: {error.strerror}", "run this as root"
        ) from error


def _run(command: tuple[str, ...]) -> None:
    remedy = "correct reload under [enrolment]"
    said = " ".join(command)
    try:
        done = subprocess.run(  # noqa: S603 - what the operator configured, and no shell
            command, capture_output=True, text=True, timeout=TOLD_S, stdin=subprocess.DEVNULL, check=False
        )
    except OSError as error:
        raise PerchError(f"{said} cannot be run: {error.strerror}", remedy) from error
    except subprocess.TimeoutExpired:
        raise PerchError(f"{said} took longer than {TOLD_S:g} s", remedy) from None
    if done.returncode:
        raise PerchError(f"{said} failed: {done.stderr.strip()[:200]}", remedy)
