"""What the applications saw while something happened, and whether it is as it must be."""
import math
import os
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from machines import await_that
from site_ import APPS, Site

HELD = 5 * len(APPS)  # licenses of tserver_sdn that they hold all the time
# Goals of the longest request, in ms; ten times as much fails.
PLANNED, DEATH, SILENCE = 100, 300, 1000
NO_GOAL = 0
SPREAD_LISTED = 5  # rounds that are told one by one


@dataclass
class Seen:
    drill: str
    did: str
    grants: int
    errors: int
    longest_ms: float
    goal_ms: int
    kept: str  # "yes", or what was lost or doubled, or else not as it must be
    note: str = ""
    allowed_errors: bool = False
    floor_ms: float = 0  # what the machine itself stood still for
    name: str = ""  # as it is asked for

    def good(self) -> bool:
        slow = self.goal_ms != NO_GOAL and self.longest_ms > 10 * self.goal_ms + self.floor_ms
        return self.kept == "yes" and (self.errors == 0 or self.allowed_errors) and not slow

    def must(self, condition: bool, otherwise: str) -> None:
        """What else must hold for the drill to be good."""
        if not condition and self.kept == "yes":
            self.kept = otherwise

    def row(self) -> str:
        goal = f"{self.goal_ms} ms" if self.goal_ms else "-"
        return (f"| {self.drill} | {self.did} | {self.grants} | {self.errors} | {self.longest_ms:.0f} ms | {goal} | "
                f"{self.floor_ms:.0f} ms | {self.kept} | {self.note} |")


class Floor(threading.Thread):
    """How long a small write and its sync take on this machine, over and over: nobody who waits for two disks can be
    faster."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.slow: list[tuple[float, float]] = []

    def run(self) -> None:
        with open(self.path, "wb", buffering=0) as file:
            while True:
                begun = time.monotonic()
                os.pwrite(file.fileno(), b"x" * 512, 0)
                os.fdatasync(file.fileno())
                time.sleep(0.005)
                ended = time.monotonic()
                self.slow.append((ended, (ended - begun) * 1000 - 5))

    def longest(self, since: float) -> float:
        return max((took for ended, took in list(self.slow) if ended >= since), default=0.0)


FLOOR: list[Floor] = []


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def spread(gaps: list[float]) -> str:
    """The longest request of each round, as a distribution. The 99th percentile is the least that 99 of 100 stay within."""
    gaps = sorted(gaps)
    median = statistics.median(gaps)
    within = gaps[math.ceil(0.99 * len(gaps)) - 1]
    each = f" ({', '.join(f'{gap:.0f}' for gap in gaps)})" if len(gaps) <= SPREAD_LISTED else ""
    return (f"longest request of a round: median {median:.0f} ms, 99th percentile {within:.0f} ms, worst "
            f"{gaps[-1]:.0f} ms{each}")


class Watch:
    """What the applications see from its beginning to its end."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.since = time.monotonic()
        self.term = site.term()
        self.requests_from = {app: app.requests_file.stat().st_size for app in site.apps}
        self.events_from = {app: app.events_file.stat().st_size for app in site.apps}

    @staticmethod
    def _tail(file: Path, place: int) -> list[str]:
        with open(file) as opened:
            opened.seek(place)
            return [line for line in opened.read().splitlines() if line]

    def _lines(self) -> list[str]:
        return [line for app, place in self.requests_from.items() for line in self._tail(app.requests_file, place)
                if len(line.split()) >= 3]

    def requests(self) -> list[tuple[float, float, int]]:
        lines = [line.split() for line in self._lines()]
        return [(float(line[0]), float(line[1]), int(line[2])) for line in lines]

    def errors(self) -> list[str]:
        return [line for line in self._lines() if line.split()[2] != "0"]

    def lost(self) -> list[str]:
        return [line for app, place in self.events_from.items() for line in self._tail(app.events_file, place)
                if " lost " in line]

    def granted_after(self, when: float, count: int = 20) -> bool:
        return sum(1 for ended, _, error in self.requests() if ended > when and error == 0) >= count

    def await_grants(self, count: int = 20, seconds: float = 60) -> float:
        """So many more, from now on."""
        now = time.monotonic()
        return await_that("licenses are granted", lambda: self.granted_after(now, count), seconds)

    def end(self, drill: str, did: str, goal: int, note: str = "", allowed_errors: bool = False) -> Seen:
        kept = check_kept(self.site, self)
        requests = self.requests()
        longest = max((took for _, took, _ in requests), default=0.0)
        slow = max((r for r in requests), key=lambda r: r[1], default=(self.since, 0.0, 0))
        print(f"    {slow[0] - self.since:.1f} s after the drill's beginning the longest request ended; terms "
              f"{self.term} to {self.site.term()}")
        for line in self.errors()[:3]:
            print(f"    error: {line}")
        if goal and slow[1] > goal:
            tell_around(self.site, slow[0], slow[1] / 1000)
        floor = max((floor.longest(self.since) for floor in FLOOR), default=0.0)
        return Seen(drill, did, sum(1 for r in requests if r[2] == 0), len(self.errors()), longest, goal, kept, note,
                    allowed_errors, floor)


def tell_around(site: Site, ended: float, took: float) -> None:
    """What the servers say of a request that took long."""
    end = time.time() - (time.monotonic() - ended)
    for host in site.hosts:
        if not host.leader():
            continue
        lines = host.sh(f"journalctl -u triadd --no-pager -o short-iso-precise --since @{end - took - 0.2:.1f} "
                        f"--until @{end + 0.1:.1f}", check=False).stdout.splitlines()
        for line in lines[:12]:
            print(f"      {host.name}: {line[11:26]} {line.partition(': ')[2][:150]}")
    print(f"      it was from {took:.2f} s before {time.strftime('%H:%M:%S', time.gmtime(end))}{end % 1:.3f}"[:-1])


class Pause:
    """The applications ask for nothing meanwhile; they go on holding what they hold."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.file = site.requests / "pause"

    def __enter__(self) -> None:
        self.file.touch()
        await_that("the applications pause", lambda: all(app.paused_file.exists() for app in self.site.apps))

    def __exit__(self, *_: object) -> None:
        self.file.unlink()
        await_that("the applications go on", lambda: not any(app.paused_file.exists() for app in self.site.apps))


def check_kept(site: Site, watch: Watch) -> str:
    """While the applications pause: what they hold is what the servers count, no more and no less."""
    try:
        with Pause(site):
            await_that("the licenses taken are free again", lambda: site.in_use("agent_seats") == 0, 30)
            held = site.in_use("tserver_sdn")
    except RuntimeError as error:
        return f"{error}; agent_seats in use: {site.in_use('agent_seats')}"
    if watch.lost():
        return f"an application was told of a loss: {watch.lost()[0]}"
    return "yes" if held == HELD else f"{held} of tserver_sdn in use, not {HELD}"


def whole(site: Site, servers: str = "") -> float:
    """servers: by which addresses to ask."""
    return await_that("any one of the three can be lost", lambda: site.can_lose_one(servers), 90)


def settle(site: Site) -> None:
    whole(site)
    Watch(site).await_grants()
