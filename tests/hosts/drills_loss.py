"""What happens without being asked for: processes, hosts, power, cables."""
import time

from machines import Host, await_that
from site_ import Site
from watching import DEATH, NO_GOAL, SILENCE, Seen, Watch, settle, spread, times, whole

KILL = "systemctl kill --signal=KILL --kill-whom=main triadd"


def rounds(site: Site, usual: int, lose, mend) -> tuple[list[float], float]:
    """The leader's host is lost, and mended, again and again: the longest request of each round, and how long it took
    at worst until the cluster was whole again."""
    gaps, whole_after = [], 0.0
    for _ in range(site.rounds or usual):
        settle(site)
        one, host = Watch(site), site.lead()
        at = time.monotonic()
        lose(host)
        await_that("licenses are granted", lambda: one.granted_after(at, 60))
        gaps.append(max(took for _, took, _ in one.requests()))
        mend(host)
        whole_after = max(whole_after, whole(site))
    return gaps, whole_after


def kill_9(site: Site) -> Seen:
    watch = Watch(site)
    gaps, _ = rounds(site, 5, lambda host: host.sh(KILL), lambda _: None)
    return watch.end("kill -9", f"the leader's process, {times(len(gaps))}", DEATH, spread(gaps))


def power(site: Site) -> Seen:
    watch = Watch(site)
    gaps, took = rounds(site, 1, Host.power_off, Host.boot)
    return watch.end("power-off", f"the leader's host, without warning, {times(len(gaps))}", SILENCE,
                     f"whole {took:.0f} s after its boot; {spread(gaps)}")


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
    first, second, left = site.hosts
    first.power_off()
    second.power_off()
    await_that("the one left says that it has no quorum",
               lambda: "no quorum" in left.sh("triad status", check=False).stdout, 30)
    words = left.sh("triad status --check", check=False).stdout.strip()
    print("    " + words)
    named = "lic1" in words and "lic2" in words
    first.boot()
    at = time.monotonic()
    await_that("served again without a command", lambda: watch.granted_after(at), 60)
    second.boot()
    whole(site)
    seen = watch.end("two hosts gone", "power-off of two, one back, then the other", NO_GOAL,
                     "the refusal names both", True)
    seen.must(named, f"the refusal does not name both: {words}")
    return seen


def all_reboot(site: Site) -> Seen:
    watch = Watch(site)
    for host in site.hosts:
        host.power_off()
    for host in site.hosts:
        host.boot()
    took = whole(site)
    watch.await_grants()
    return watch.end("three-host reboot", "power-off of all three, boot", NO_GOAL,
                     f"whole {took:.0f} s after the last boot", True)


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


def clock_off(site: Site) -> Seen:
    watch = Watch(site)
    host = site.lead()
    host.sh("mkdir -p /etc/systemd/system/triadd.service.d; printf '[Service]\\nEnvironment="
            "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME=+1h FAKETIME_DONT_FAKE_MONOTONIC=1'"
            " >/etc/systemd/system/triadd.service.d/clock.conf; systemctl daemon-reload; systemctl restart triadd")
    whole(site)
    site.lead().sh(f"triad transfer-lead --to={host.number}", check=False)
    await_that("it is noticed", lambda: "clock" in site.triad("status").stdout, 60)
    words = next(line for line in site.triad("status").stdout.splitlines() if "clock" in line)
    print("    " + words)
    host.sh("rm /etc/systemd/system/triadd.service.d/clock.conf; systemctl daemon-reload; systemctl restart triadd")
    whole(site)
    return watch.end("clock off by an hour", "one host's clock, an hour ahead", SILENCE, words.strip())


DRILLS = {"kill_9": kill_9, "power": power, "unplugged": unplugged, "deaf": deaf, "mute": mute, "hung": hung,
          "clock_off": clock_off, "two_gone": two_gone, "all_reboot": all_reboot}
