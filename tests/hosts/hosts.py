#!/usr/bin/env python3
"""What may happen to three hosts, played on three booted Debian systems with the packages installed, while applications
with three SERVER lines hold licenses and take more.

  hosts.py --build DIR [--short] [--list] [--report FILE] [DRILL...]

Each drill prints what the applications saw: grants, errors, the longest request; and whether a license was lost or
counted twice. Exit 1 if an application saw an error where it must not, if a license was lost or doubled, or if a request
took ten times as long as is the goal. The report is a table for docs/drills.md.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from site_ import Host, Site, await_that, run  # noqa: E402

APPS = ("ann", "bob", "cid")
HELD = 5 * len(APPS)  # licenses of tserver_sdn that they hold all the time
LICENSES = 100
# Goals of the longest request, in ms; ten times as much fails.
PLANNED, DEATH, SILENCE = 100, 300, 1000
NO_GOAL = 0


@dataclass
class Seen:
    drill: str
    did: str
    grants: int
    errors: int
    longest_ms: float
    goal_ms: int
    kept: str  # "yes", or what was lost or doubled
    note: str = ""
    allowed_errors: bool = False
    floor_ms: float = 0  # what the machine itself stood still for

    def good(self) -> bool:
        slow = self.goal_ms != NO_GOAL and self.longest_ms > 10 * self.goal_ms + self.floor_ms
        return self.kept == "yes" and (self.errors == 0 or self.allowed_errors) and not slow

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


class Watch:
    """What the applications see from its beginning to its end."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.since = time.monotonic()
        self.term = site.term()
        self.places = {name: (site.requests / f"{name}.requests").stat().st_size for name in APPS}
        self.events = {name: (site.requests / f"{name}.events").stat().st_size for name in APPS}

    def _tail(self, name: str, kind: str, places: dict[str, int]) -> list[str]:
        with open(self.site.requests / f"{name}.{kind}") as file:
            file.seek(places[name])
            return [line for line in file.read().splitlines() if line]

    def requests(self) -> list[tuple[float, float, int]]:
        lines = [line.split() for name in APPS for line in self._tail(name, "requests", self.places)]
        return [(float(line[0]), float(line[1]), int(line[2])) for line in lines if len(line) >= 3]

    def errors(self) -> list[str]:
        return [line for name in APPS for line in self._tail(name, "requests", self.places)
                if len(line.split()) >= 3 and line.split()[2] != "0"]

    def lost(self) -> list[str]:
        return [line for name in APPS for line in self._tail(name, "events", self.events) if " lost " in line]

    def granted_after(self, when: float, count: int = 20) -> bool:
        return sum(1 for ended, _, error in self.requests() if ended > when and error == 0) >= count

    def end(self, drill: str, did: str, goal: int, note: str = "", allowed_errors: bool = False) -> Seen:
        kept = check_kept(self.site, self)
        requests = self.requests()
        longest = max((took for _, took, _ in requests), default=0.0)
        slow = max((r for r in requests), key=lambda r: r[1], default=(self.since, 0.0, 0))
        print(f"    {slow[0] - self.since:.1f} s after the drill's beginning the longest request ended; terms "
              f"{self.term} to {self.site.term()}")
        for line in self.errors()[:3]:
            print(f"    error: {line}")
        floor = max((floor.longest(self.since) for floor in FLOOR), default=0.0)
        return Seen(drill, did, sum(1 for r in requests if r[2] == 0), len(self.errors()), longest, goal, kept, note,
                    allowed_errors, floor)


def check_kept(site: Site, watch: Watch) -> str:
    """While the applications pause: what they hold is what the servers count, no more and no less."""
    pause = site.requests / "pause"
    pause.touch()
    try:
        await_that("the applications pause", lambda: all((site.requests / f"{n}.paused").exists() for n in APPS))
        await_that("the licenses taken are free again", lambda: site.in_use("agent_seats") == 0, 30)
        held = site.in_use("tserver_sdn")
    except RuntimeError as error:
        return f"{error}; agent_seats in use: {site.in_use('agent_seats')}"
    finally:
        pause.unlink()
        for name in APPS:
            await_that("the applications go on", lambda n=name: not (site.requests / f"{n}.paused").exists())
    if watch.lost():
        return f"an application was told of a loss: {watch.lost()[0]}"
    return "yes" if held == HELD else f"{held} of tserver_sdn in use, not {HELD}"


def whole(site: Site, seconds: float = 90) -> float:
    return await_that("any one of the three can be lost", site.can_lose_one, seconds)


# ---- what happens before the drills

def license_files(site: Site) -> Path:
    """A signed license file for the three, and the vendor's key."""
    made = site.work / "vendor"
    made.mkdir(exist_ok=True)
    if (made / "license.dat").exists():
        return made
    triad = str(site.bin / "triad")
    servers = "".join(f"SERVER lic{k} 02fc0000000{k} 27000\n" for k in (1, 2, 3))
    (made / "license.txt").write_text(f"{servers}VENDOR genesys.d\n"
                                      f"FEATURE tserver_sdn genesys.d 8.1 permanent {LICENSES}\n"
                                      f"FEATURE agent_seats genesys.d 8.1 permanent {LICENSES}\n")
    run(triad, "keygen", "--vendor=genesys.d", f"--out={made}")
    run(triad, "sign", f"--key={made}/genesys.d.key", f"--in={made}/license.txt", f"--out={made}/license.dat")
    return made


def install(site: Site, host: Host, packages: list[Path]) -> None:
    """As docs/install.md says."""
    made = license_files(site)
    (host.root / "root/packages").mkdir(exist_ok=True)
    for package in packages:
        shutil.copy(package, host.root / "root/packages")
    host.sh("apt-get install -y --no-install-recommends " + " ".join(f"/root/packages/{p.name}" for p in packages))
    shutil.copy(made / "license.dat", host.root / "etc/triad/license.dat")
    shutil.copy(made / "genesys.d.pub", host.root / "etc/triad/vendors.d/genesys.d.pub")
    with open(host.root / "etc/triad/triadd.flags", "a") as flags:
        flags.write("--insecure\n")


def first_install(site: Site, packages: list[Path]) -> Seen:
    begun = time.monotonic()
    for host in site.hosts:
        install(site, host, packages)
        host.sh(f"triadd init {FLAGS}")
    waits = [host.begin("systemctl enable --now triadd") for host in site.hosts]
    for wait in waits:
        wait.wait(90)
    whole(site)
    site.start_apps(APPS)
    print(site.hosts[0].sh("systemctl status triadd --no-pager --lines=0", check=False).stdout)
    watch = Watch(site)
    await_that("licenses are granted", lambda: watch.granted_after(watch.since, 100))
    return watch.end("first install", "apt, init, start on three hosts", NO_GOAL,
                     f"serving {time.monotonic() - begun:.0f} s after the first apt")


# ---- the drills

def settle(site: Site) -> None:
    whole(site)
    watch = Watch(site)
    await_that("licenses are granted", lambda: watch.granted_after(watch.since))


def kill_9(site: Site) -> Seen:
    watch, gaps = Watch(site), []
    for _ in range(5):
        settle(site)
        one = Watch(site)
        at = time.monotonic()
        site.lead().sh("systemctl kill --signal=KILL --kill-whom=main triadd")
        await_that("licenses are granted", lambda: one.granted_after(at, 60))
        gaps.append(max(took for _, took, _ in one.requests()))
        whole(site)
    told = ", ".join(f"{gap:.0f}" for gap in sorted(gaps))
    return watch.end("kill -9", "the leader's process, five times", DEATH, f"longest each time: {told} ms")


def restarts(site: Site) -> Seen:
    watch = Watch(site)
    for host in site.hosts:
        print("    " + host.sh("/usr/lib/triad/restart-in-turn").stdout.strip().replace("\n", "\n    "))
        whole(site)
    return watch.end("planned restart", "restart-in-turn on one host after the other", PLANNED)


def reboots(site: Site) -> Seen:
    watch = Watch(site)
    for host in site.hosts:
        settle(site)
        host.sh("systemctl poweroff --no-block")
        await_that(f"{host.name} is off", lambda h=host: not h.leader(), 60)
        host.boot()
        whole(site)
    return watch.end("reboot of one host at a time", "systemctl poweroff, boot", PLANNED)


def power(site: Site) -> Seen:
    watch = Watch(site)
    host = site.lead()
    at = time.monotonic()
    host.power_off()
    await_that("licenses are granted", lambda: watch.granted_after(at, 60))
    host.boot()
    took = whole(site)
    return watch.end("power-off", "the leader's host, without warning", SILENCE, f"whole {took:.0f} s after its boot")


def cut_off(site: Site, name: str, did: str, cut, mend) -> Seen:
    watch = Watch(site)
    host = site.lead()
    at = time.monotonic()
    cut(host)
    try:
        await_that("licenses are granted", lambda: watch.granted_after(at, 60))
        await_that("the others lead", lambda: site.lead() is not host)
    finally:
        mend(host)
    took = whole(site)
    return watch.end(name, did, SILENCE, f"whole {took:.1f} s after it was mended")


def unplugged(site: Site) -> Seen:
    return cut_off(site, "unplugged", "the leader's cable, both ways", Host.unplug, Host.plug_in)


def deaf(site: Site) -> Seen:
    return cut_off(site, "one way: deaf", "the leader's host hears nobody", lambda h: h.cut("input"), Host.mend)


def mute(site: Site) -> Seen:
    return cut_off(site, "one way: mute", "nobody hears the leader's host", lambda h: h.cut("output"), Host.mend)


def two_gone(site: Site) -> Seen:
    watch = Watch(site)
    first, second = site.hosts[0], site.hosts[1]
    first.power_off()
    second.power_off()
    await_that("the one left says that it has no quorum",
               lambda: "no quorum" in site.hosts[2].sh("triad status", check=False).stdout, 30)
    words = site.hosts[2].sh("triad status --check", check=False).stdout.strip()
    print("    " + words)
    named = "lic1" in words and "lic2" in words
    first.boot()
    at = time.monotonic()
    await_that("served again without a command", lambda: watch.granted_after(at), 60)
    second.boot()
    whole(site)
    seen = watch.end("two hosts gone", "power-off of two, one back, then the other", NO_GOAL,
                     "the refusal names both" if named else f"the refusal does not name both: {words}", True)
    if not named:
        seen.kept = "the refusal does not name them"
    return seen


def replaced(site: Site, packages: list[Path]) -> Seen:
    watch = Watch(site)
    host = site.lead()
    at = time.monotonic()
    host.replace("02:fc:00:00:00:9" + str(host.number))
    await_that("licenses are granted", lambda: watch.granted_after(at, 60))
    host.boot()
    install(site, host, packages)
    refused = host.sh(f"triadd init {FLAGS}", check=False).stdout
    print("    triadd init says: " + refused.strip().splitlines()[-1])
    host.sh(f"echo --node={host.number} >>/etc/triad/triadd.flags; triadd rejoin {FLAGS}")
    host.sh("systemctl enable --now triadd", timeout=90)
    took = whole(site)
    words = site.triad("status").stdout
    waiver = "recorded on a waiver" if "host id" in words else "no waiver is told of"
    return watch.end("host lost and replaced", "the leader's host, by one with another network card", SILENCE,
                     f"rejoin; whole after {took:.0f} s, {waiver}")


def all_reboot(site: Site) -> Seen:
    watch = Watch(site)
    for host in site.hosts:
        host.power_off()
    for host in site.hosts:
        host.boot()
    took = whole(site)
    at = time.monotonic()
    await_that("licenses are granted", lambda: watch.granted_after(at))
    return watch.end("three-host reboot", "power-off of all three, boot", NO_GOAL,
                     f"whole {took:.0f} s after the last boot", True)


def upgraded(site: Site, host: Host, packages: list[Path]) -> subprocess.Popen[str]:
    for package in packages:
        shutil.copy(package, host.root / "root/packages")
    return host.begin("apt-get install -y --no-install-recommends --allow-downgrades "
                      + " ".join(f"/root/packages/{p.name}" for p in packages))


def told(process: subprocess.Popen[str], name: str) -> bool:
    words = process.communicate(timeout=400)[0]
    for line in words.splitlines():
        if "restart-in-turn" in line or "triad-server:" in line:
            print(f"    {name}: {line}")
    return process.returncode == 0


def rolling(site: Site, newer: list[Path]) -> Seen:
    watch = Watch(site)
    before = [host.pid_of() for host in site.hosts]
    for host in site.hosts:
        if not told(upgraded(site, host, newer), host.name):
            raise RuntimeError(f"apt failed on {host.name}")
        whole(site)
    after = [host.pid_of() for host in site.hosts]
    note = "all run the new program" if all(a != b for a, b in zip(before, after)) else "not all were restarted"
    return watch.end("rolling upgrade", "apt on one host after the other", PLANNED, note)


def same_minute(site: Site, older: list[Path]) -> Seen:
    watch = Watch(site)
    before = [host.pid_of() for host in site.hosts]
    runs = [upgraded(site, host, older) for host in site.hosts]
    served = True
    while any(process.poll() is None for process in runs):
        answer = site.triad("status", "--json").stdout
        served = served and answer.count('"role":"down"') < 2
        time.sleep(0.1)
    good = [told(process, host.name) for process, host in zip(runs, site.hosts)]
    whole(site)
    after = [host.pid_of() for host in site.hosts]
    restarted = sum(1 for a, b in zip(before, after) if a != b)
    seen = watch.end("apt on all three at once", "the other version, in the same second", PLANNED,
                     f"{restarted} of 3 restarted, one at a time")
    if not served or not all(good):
        seen.kept = "two nodes were down at once" if not served else "apt failed"
    return seen


def clock_off(site: Site) -> Seen:
    watch = Watch(site)
    host = site.lead()
    host.sh("mkdir -p /etc/systemd/system/triadd.service.d; printf '[Service]\\nEnvironment="
            "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME=+1h FAKETIME_DONT_FAKE_MONOTONIC=1'"
            " >/etc/systemd/system/triadd.service.d/clock.conf; systemctl daemon-reload; systemctl restart triadd")
    whole(site)
    host.sh("triad transfer-lead --to=" + str(host.number), check=False)
    await_that("it is noticed", lambda: "clock" in site.triad("status").stdout, 60)
    words = next(line for line in site.triad("status").stdout.splitlines() if "clock" in line)
    print("    " + words)
    host.sh("rm /etc/systemd/system/triadd.service.d/clock.conf; systemctl daemon-reload; systemctl restart triadd")
    whole(site)
    return watch.end("clock off by an hour", "one host's clock, an hour ahead", SILENCE, words.strip())


def full_disk(site: Site) -> Seen:
    watch = Watch(site)
    host = site.lead()
    host.sh("fallocate -l $(( $(df --output=avail -B1M / | tail -n 1) - 200 ))M /filler")
    await_that("the node warns", lambda: "too little disk space" in site.triad("status").stdout, 30)
    host.sh("dd if=/dev/zero of=/filler2 bs=1M", check=False)
    at = time.monotonic()
    await_that("licenses are granted", lambda: watch.granted_after(at, 200))
    host.sh("rm /filler*")
    took = whole(site)
    return watch.end("full disk", "the leader's, to the last byte", SILENCE, f"whole {took:.0f} s after it was emptied")


def stuck_disk(site: Site) -> Seen:
    watch = Watch(site)
    host = site.lead()
    at = time.monotonic()
    host.freeze(True)
    try:
        await_that("licenses are granted", lambda: watch.granted_after(at, 200))
        time.sleep(12)  # the drill is a disk that does not answer for so long
    finally:
        host.freeze(False)
    took = whole(site)
    return watch.end("disk that hangs", "the leader's, for more than 12 s", SILENCE, f"whole {took:.0f} s after it went on")


def hung(site: Site) -> Seen:
    watch = Watch(site)
    host = site.lead()
    before = host.pid_of()
    at = time.monotonic()
    host.sh("systemctl kill --signal=STOP --kill-whom=main triadd")
    await_that("licenses are granted", lambda: watch.granted_after(at, 100))
    took = await_that("the watchdog restarts it", lambda: host.pid_of() not in (before, "0"), 90)
    whole(site)
    return watch.end("process that hangs", "the leader's, by SIGSTOP", SILENCE, f"restarted by the watchdog after {took:.0f} s")


def connections(site: Site) -> list[str]:
    """The applications' own ports."""
    lines = run(*site.in_apps("ss", "-Htn", "dport", "=", ":27000")).stdout.splitlines()
    return sorted({line.split()[3].rpartition(":")[2] for line in lines})


def firewall(site: Site, name: str, did: str, verdict: str, goal: int, note: str) -> Seen:
    watch = Watch(site)
    ports = ", ".join(connections(site))
    at = time.monotonic()
    run(*site.in_apps("nft", "add table inet fw; add chain inet fw c { type filter hook output priority 0; };"
                             f"add rule inet fw c tcp sport {{ {ports} }} tcp dport 27000 {verdict}"))
    try:
        await_that("licenses are granted", lambda: watch.granted_after(at, 200))
    finally:
        run(*site.in_apps("nft", "delete table inet fw"))
    return watch.end(name, did, goal, note)


def forgets(site: Site) -> Seen:
    return firewall(site, "firewall that forgets", "all open connections of the applications are dropped in silence", "drop",
                    NO_GOAL, "noticed by keepalive, which is every 30 s, so that no connection is ever idle for longer")


def resets(site: Site) -> Seen:
    return firewall(site, "firewall that resets", "all open connections of the applications are reset",
                    "reject with tcp reset", SILENCE, "")


def far(site: Site) -> Seen:
    """Clients behind a slow and lossy road, and the leader dies."""
    watch = Watch(site)
    directory = site.work / "far"
    directory.mkdir(exist_ok=True)
    here = Path(__file__).resolve().parent
    proxy = subprocess.Popen(site.in_apps(sys.executable, "-B", str(here / "proxy.py"), "75", "1",
                                          *(f"2710{k}=10.77.0.{k}:27000" for k in (1, 2, 3))))
    app = None
    try:
        time.sleep(1)
        with open(directory / "log", "ab") as log:
            app = subprocess.Popen(site.in_apps(sys.executable, "-B", str(here / "app.py"), str(site.library),
                                                ",".join(f"2710{k}@127.0.0.1" for k in (1, 2, 3)), "far", str(directory)),
                                   env=site.env, stdout=log, stderr=log)

        def granted() -> list[list[str]]:
            path = directory / "far.requests"
            return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

        await_that("the far application is granted licenses", lambda: len(granted()) >= 20)
        site.lead().sh("systemctl kill --signal=KILL --kill-whom=main triadd")
        before = len(granted())
        await_that("and after the leader's death", lambda: len(granted()) >= before + 20)
        whole(site)
        (directory / "stop").touch()
        app.wait(30)
    finally:
        (directory / "stop").touch()
        if app is not None and app.poll() is None:
            app.kill()
        proxy.kill()
    await_that("its licenses are free again", lambda: site.in_use("tserver_sdn") == HELD, 120)
    requests = granted()
    longest = max(float(line[1]) for line in requests)
    errors = sum(1 for line in requests if line[2] != "0")
    seen = watch.end("clients behind 150 ms and 1 % loss", "kill -9 of the leader's process", NO_GOAL,
                     f"the far one: {len(requests)} grants, {errors} errors, longest {longest:.0f} ms")
    seen.errors += errors
    return seen


def ipv6(site: Site) -> Seen:
    """Another license server on the same hosts, by triadd@.service, that has IPv6 addresses alone."""
    watch = Watch(site)
    made = site.work / "vendor"
    triad = str(site.bin / "triad")
    servers = "".join(f"SERVER fd77::{k} INTERNET=fd77::{k} 27100\n" for k in (1, 2, 3))
    (made / "six.txt").write_text(f"{servers}VENDOR genesys.d\nFEATURE six genesys.d 8.1 permanent 5\n")
    run(triad, "sign", f"--key={made}/genesys.d.key", f"--in={made}/six.txt", f"--out={made}/six.dat")
    for host in site.hosts:
        etc = host.root / "etc/triad/six"
        (etc / "vendors.d").mkdir(parents=True, exist_ok=True)
        shutil.copy(made / "six.dat", etc / "license.dat")
        shutil.copy(made / "genesys.d.pub", etc / "vendors.d/genesys.d.pub")
        (etc / "triadd.flags").write_text("--insecure\n")
        host.sh("install -d -o triad -g triad -m 0700 /var/lib/triad/six; triadd init "
                "--license=/etc/triad/six/license.dat --vendor-keys=/etc/triad/six/vendors.d "
                "--data-dir=/var/lib/triad/six --flagfile=/etc/triad/six/triadd.flags")
    for wait in [host.begin("systemctl start triadd@six") for host in site.hosts]:
        wait.wait(60)
    addresses = ",".join(f"27100@[fd77::{k}]" for k in (1, 2, 3))

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(site.in_apps(triad, "-c", addresses, *arguments), text=True, env=site.env, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)

    await_that("it can lose one", lambda: '"can_lose":1' in ask("status", "--json").stdout)
    grants = [ask("checkout", "-f", "six:5", "--hold=0").returncode for _ in range(5)]
    leader = ask("status", "--json").stdout.split('"leader":')[1][0]
    site.hosts[int(leader) - 1].sh("systemctl kill --signal=KILL --kill-whom=main triadd@six")
    grants += [ask("checkout", "-f", "six:5", "--hold=0").returncode for _ in range(5)]
    for host in site.hosts:
        host.sh("systemctl stop triadd@six")
    seen = watch.end("IPv6 only", "another server by triadd@six.service, its leader killed", NO_GOAL,
                     f"{grants.count(0)} of {len(grants)} checkouts by IPv6 were granted")
    seen.errors += len(grants) - grants.count(0)
    return seen


def removal(site: Site, packages: list[Path]) -> Seen:
    watch = Watch(site)
    host = next(h for h in site.hosts if h is not site.lead())
    host.sh("apt-get remove -y triad-server")
    kept = host.sh("ls /var/lib/triad", check=False).stdout.split()
    print(f"    after removal /var/lib/triad has: {' '.join(kept)}")
    host.sh("apt-get install -y --no-install-recommends " + " ".join(f"/root/packages/{p.name}" for p in packages))
    host.sh("systemctl enable --now triadd")
    whole(site)
    seen = watch.end("package removed and installed again", "apt remove, apt install", PLANNED, "the node's data stayed")
    if "identity" not in kept:
        seen.kept = "the node's identity is gone"
    return seen


FLAGS = "--flagfile=/etc/triad/triadd.flags"


def come_back(site: Site, hosts: list[Host], packages: list[Path]) -> None:
    """Hosts whose disks are lost, with the packages and triadd rejoin."""
    for host in hosts:
        if not host.leader():
            host.boot()
        install(site, host, packages)
        host.sh(f"triadd rejoin {FLAGS}")
        host.sh("systemctl enable --now triadd", timeout=90)


def recover_one(host: Host) -> str:
    """A new cluster of this host's data."""
    words = host.sh(f"triadd recover {FLAGS}", check=False).stdout
    host.sh(f"triadd recover --accept-loss {FLAGS}")
    host.sh("systemctl enable --now triadd", timeout=90)
    return words


def recover(site: Site, packages: list[Path]) -> Seen:
    watch = Watch(site)
    left, lost = site.hosts[2], site.hosts[:2]
    for host in lost:
        host.replace(host.mac)
    left.sh("systemctl stop triadd")
    print("    " + recover_one(left).strip().replace("\n", "\n    "))
    at = time.monotonic()
    took = await_that("licenses are granted", lambda: watch.granted_after(at), 180)
    come_back(site, lost, packages)
    whole(site)
    return watch.end("two hosts lost for good", "recover on the third, rejoin of two new ones", NO_GOAL,
                     f"granted again {took:.0f} s after the recovery (a time to live is 60 s)", True)


def backup(site: Site, packages: list[Path]) -> Seen:
    """As docs/operations.md says: a cold copy of a follower, the loss of all three, the copy put back."""
    watch = Watch(site)
    # One on its licensed hardware: a restored node has no waiver, and would refuse to start on other.
    host = next(h for h in site.hosts if h is not site.lead() and h.mac == h.licensed_mac)
    copy = site.work / "backup.tgz"
    host.sh("triad drain && systemctl stop triadd && tar -C /var/lib -czf /root/backup.tgz triad; systemctl start triadd")
    shutil.copy(host.root / "root/backup.tgz", copy)
    whole(site)
    at = time.monotonic()
    await_that("more is granted after the copy", lambda: watch.granted_after(at, 100))
    purged = site.hosts[0].sh("apt-get purge -y triad-server >/dev/null 2>&1; "
                              "test ! -e /var/lib/triad && test -e /etc/triad/license.dat", check=False).returncode == 0
    for other in site.hosts:
        other.replace(other.mac)
    host.boot()
    install(site, host, packages)
    shutil.copy(copy, host.root / "root/backup.tgz")
    host.sh("tar -C /var/lib -xzf /root/backup.tgz")
    recover_one(host)
    at = time.monotonic()
    took = await_that("licenses are granted", lambda: watch.granted_after(at), 180)
    come_back(site, [other for other in site.hosts if other is not host], packages)
    whole(site)
    seen = watch.end("all three lost, a backup put back", "a cold copy, recover, rejoin of the others", NO_GOAL,
                     f"granted again {took:.0f} s after the recovery (a time to live is 60 s)", True)
    if not purged:
        seen.kept = "a purge left the node's data, or took the licenses"
    return seen


TABLE_HEAD = ("| drill | what was done | grants | errors | longest request | goal | floor | kept, none lost or doubled | |\n"
              "|---|---|---:|---:|---:|---:|---:|---|---|")


def write_report(report: Path, rows_file: Path, seen: list[Seen]) -> None:
    """The rows of this run, and those of earlier runs of drills that this one did not play."""
    rows: dict[str, str] = json.loads(rows_file.read_text()) if rows_file.exists() else {}
    rows |= {one.drill: one.row() for one in seen}
    rows_file.write_text(json.dumps(rows))
    report.write_text(
        "# What happened to three hosts\n\n"
        f"Made by `./dev hosts` on {time.strftime('%Y-%m-%d')}: three Debian systems, booted in containers on one machine "
        f"with {os.cpu_count()} processors that\nother work kept busy too, and three applications that hold {HELD} licenses "
        "and take and return others all the time. The longest\nrequest is what an application waited for one checkout and "
        "its return; the floor is how long this machine\ntook for one small write and sync of its own at worst meanwhile. "
        "Ten times the goal and the floor fail the run, and so do an\nerror (where two hosts were up) and a license that was "
        "lost or counted twice.\n\n" + "\n".join([TABLE_HEAD, *rows.values()]) + "\n")


SHORT = ("kill_9", "restarts", "power", "unplugged", "same_minute")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--short", action="store_true", help="only " + ", ".join(SHORT))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", type=Path, help="write the table there")
    parser.add_argument("drills", nargs="*")
    args = parser.parse_args()
    build = args.build.resolve()
    packages = sorted((build / "packages").glob("*.deb"))
    installed = [p for p in packages if p.name.startswith(("triad-server", "triad-tools"))]
    newer = sorted((build / "packages-newer").glob("triad-[st]*.deb"))
    drills = {
        "kill_9": kill_9, "restarts": restarts, "power": power, "unplugged": unplugged, "deaf": deaf, "mute": mute,
        "replaced": lambda site: replaced(site, installed), "all_reboot": all_reboot,
        "rolling": lambda site: rolling(site, newer), "same_minute": lambda site: same_minute(site, installed),
        "two_gone": two_gone, "reboots": reboots, "removal": lambda site: removal(site, installed),
        "clock_off": clock_off, "hung": hung, "forgets": forgets, "resets": resets, "far": far, "ipv6": ipv6,
        "full_disk": full_disk, "stuck_disk": stuck_disk, "recover": lambda site: recover(site, installed),
        "backup": lambda site: backup(site, installed),
    }
    if args.list:
        print("\n".join(drills))
        return 0
    chosen = args.drills or (list(SHORT) if args.short else list(drills))
    unknown = [name for name in chosen if name not in drills]
    if unknown or os.geteuid() != 0 or not installed:
        print(f"hosts: no drill {unknown[0]}; --list names them" if unknown else
              "hosts: needs root" if installed else "hosts: no packages; run ./dev package", file=sys.stderr)
        return 2
    if not newer:
        run(str(Path(__file__).resolve().parents[2] / "deploy/packages/make"), str(build),
            str(build / "packages-newer"), "+next1")
        newer = sorted((build / "packages-newer").glob("triad-[st]*.deb"))
    site = Site(build, build / "hosts" / "run")
    seen: list[Seen] = []
    failed = False
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        site.build_up(installed)
        print("three hosts are booted", flush=True)
        FLOOR.append(Floor(site.work / "floor"))
        FLOOR[0].start()
        jobs = [("first_install", lambda site: first_install(site, installed))] + [(n, drills[n]) for n in chosen]
        for name, drill in jobs:
            print(f"{name}", flush=True)
            try:
                if seen:
                    settle(site)
                result = drill(site)
            except Exception as error:  # noqa: BLE001: a drill that fails is told, and the next one tried
                traceback.print_exc()
                failed = True
                seen.append(Seen(name, "", 0, 0, 0, NO_GOAL, f"failed: {error}".splitlines()[0]))
                if name == "first_install":
                    break
                continue
            seen.append(result)
            failed = failed or not result.good()
            print(f"  {result.row()}  {'ok' if result.good() else 'NOT AS IT MUST BE'}", flush=True)
    finally:
        (site.requests / "stop").touch()
        site.take_down()
    print("\n".join([TABLE_HEAD] + [one.row() for one in seen]))
    if args.report:
        write_report(args.report, build / "hosts" / "rows.json", seen)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
