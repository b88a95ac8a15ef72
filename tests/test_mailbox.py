"""Where threads leave things for a loop: nothing is lost, and no signal makes the loop wait for ever."""

import subprocess
import sys
import threading

from perch.adapters.mailbox import Mailbox

INTERRUPTED = """
import signal, threading
from perch.adapters.mailbox import Mailbox
def late(*_):
    threading.Event().wait(0.2)  # until the time to wait is over
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.05)
assert Mailbox().take(0.1) is None
"""


def test_things_come_out_in_the_order_in_which_they_were_left() -> None:
    mailbox: Mailbox[int] = Mailbox()
    assert mailbox.take() is None
    for number in range(5):
        mailbox.put(number)
    assert [mailbox.take(1) for _ in range(5)] == list(range(5))
    assert mailbox.take(0.01) is None


def test_nothing_is_lost_between_threads_that_put_and_a_loop_that_takes() -> None:
    mailbox: Mailbox[int] = Mailbox()
    threads = [threading.Thread(target=lambda: [mailbox.put(number) for number in range(5_000)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    taken = [mailbox.take(5) for _ in range(15_000)]
    for thread in threads:
        thread.join()
    assert sorted(number for number in taken if number is not None) == sorted(list(range(5_000)) * 3)


def test_a_signal_at_the_end_of_the_wait_does_not_make_it_wait_for_ever() -> None:
    run = subprocess.run([sys.executable, "-c", INTERRUPTED], timeout=20, check=False)
    assert run.returncode == 0
