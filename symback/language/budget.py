"""What one page may cost, whatever it contains: a `Budget` of seconds and megabytes.

Here one can

* check something within a budget: `within`; what is not done when it is used up raises `Spent`;
* count a step of work, in every loop that a page can make long: `spend`;
* say how much of it is used up by the end of a stage: `allow`, so that a page that takes long to
  read leaves time to judge what was read;
* leave out what is worked out about the network, which no page makes longer: `uncounted`; `clock`
  tells the seconds without that.

The budget is found by a context variable, so that fifty signatures need not carry it, and two pages
checked in two threads have two.  Outside `within` nothing is counted.

**Seconds** are those of the processor in this thread and not those of the clock on the wall: what
is said of a page must not depend on what else the machine is doing.  **Memory** is how far the
process has grown since the page was begun, as the operating system counts it: where it counts only
the highest that a process ever was, that; where it does not count (Windows), only the time bounds
it.  Both are looked at every `STEPS` steps, which is a tenth of a millisecond or so.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None

SECONDS = 2.0
MEGABYTES = 512
STEPS = 100
JUMP = 0.25
"""The most seconds that so many steps count: on a machine that is shared, what is taken from it by
others is counted to whoever runs."""


class Spent(Exception):
    """The budget is used up; its text says what of it.

    It is no `SymbackError`, since those are caught where a line has no value: what nobody had the
    time to work out is never taken for that.  The reader and the judge end what they are doing, and
    `symback.checking.pipeline.check` lets it out to nobody.
    """


class Budget:
    """Seconds and megabytes, counted from when it was made."""

    def __init__(self, seconds: float = SECONDS, megabytes: float = MEGABYTES) -> None:
        self.seconds, self.megabytes = seconds, megabytes
        self.last, self.size = clock(), _size()
        self.used, self.begun, self.allowed = 0.0, 0.0, seconds
        self.left = STEPS

    def spend(self, steps: int) -> None:
        """Count some steps; raises `Spent`, and after that at every step."""
        self.left -= steps
        if self.left > 0:
            return
        now = clock()
        self.used += min(now - self.last, JUMP)
        self.last = now
        if self.used > self.allowed:
            more = "--budget S, or budget=S, gives it more"
            raise Spent(f"the page's budget of {self.seconds:g} s is used up ({more})")
        if _peak() > self.size + self.megabytes and _size() > self.size + self.megabytes:
            raise Spent(f"the page's budget of {self.megabytes:g} MB is used up")
        self.left = STEPS

    def allow(self, share: float) -> None:
        """Let the work go on until that share of the seconds is used up."""
        self.allowed = self.begun + share * (self.seconds - self.begun)

    def begin_again(self) -> None:
        """From here on shares are those of the seconds that are left."""
        self.begun = self.used


def _peak() -> float:
    """The most megabytes that the process ever had; 0 where nobody counts them."""
    if resource is None:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _size() -> float:
    """The megabytes that the process has now, or had at most."""
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * (resource.getpagesize() if resource else 0) / 1e6
    return _peak()


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


class _LeftOut(threading.local):
    """The seconds of this thread that are not counted.

    It is no `ContextVar`: a collection of garbage may begin while Python changes those of the
    context, and to change another one then, as `_without_collections` would, ends the process.
    """

    seconds = 0.0


_left_out = _LeftOut()


def clock() -> float:
    """The seconds of the processor in this thread, without those that are `uncounted`."""
    return time.thread_time() - _left_out.seconds


@contextmanager
def uncounted() -> Iterator[None]:
    """What is done here is work on the network, however deep it is, and not on the page."""
    budget, token = _current.get(), _current.set(None)
    begun, size = clock(), _size()
    try:
        yield
    finally:
        _current.reset(token)
        _left_out.seconds += clock() - begun
        if budget is not None:
            budget.size += max(_size() - size, 0)


@contextmanager
def within(budget: Budget) -> Iterator[None]:
    """All that is done here, functions that are called included, is counted.

    Python's collection of garbage is not: it goes through all that the process holds, which may be
    a hundred other pages.
    """
    token, watch = _current.set(budget), _without_collections()
    gc.callbacks.append(watch)
    try:
        yield
    finally:
        gc.callbacks.remove(watch)
        _current.reset(token)


def _without_collections() -> Callable[[str, dict[str, int]], None]:
    begun: list[float] = []

    def watch(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            begun.append(time.thread_time())
        elif begun:
            _left_out.seconds += time.thread_time() - begun.pop()

    return watch


def spend(steps: int = 1) -> None:
    """Count some steps of work on the page that is being checked; raises `Spent`."""
    budget = _current.get()
    if budget is not None:
        budget.spend(steps)


def allow(share: float) -> None:
    """Let the stage that begins go on until that share of the budget's seconds is used up."""
    budget = _current.get()
    if budget is not None:
        budget.allow(share)


def begin_again() -> None:
    """Let the shares of the stages to come be those of what is left of the budget's seconds."""
    budget = _current.get()
    if budget is not None:
        budget.begin_again()
