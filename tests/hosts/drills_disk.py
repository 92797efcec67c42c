"""Disks: full, hanging, lost; and all that is left then."""
import shutil
import time

from installing import FLAGS, come_back, install, reissue
from machines import Host, await_that
from site_ import Site
from watching import NO_GOAL, SILENCE, Seen, Watch, whole


WAIVED = "on a waiver, which the vendor's new file ended (triad reread)"


def full_disk(site: Site) -> Seen:
    watch = Watch(site)
    host = site.lead()
    host.sh("fallocate -l $(( $(df --output=avail -B1M / | tail -n 1) - 200 ))M /filler")
    await_that("the node warns", lambda: "too little disk space" in site.triad("status").stdout, 30)
    host.sh("dd if=/dev/zero of=/filler2 bs=1M", check=False)
    watch.await_grants(200)
    host.sh("rm /filler*")
    took = whole(site)
    return watch.end("full disk", "the leader's, to the last byte", SILENCE, f"whole {took:.0f} s after it was emptied")


def stuck_disk(site: Site) -> Seen:
    watch = Watch(site)
    host = site.lead()
    host.freeze(True)
    try:
        watch.await_grants(200)
        time.sleep(12)  # the drill is a disk that does not answer for so long
    finally:
        host.freeze(False)
    took = whole(site)
    return watch.end("disk that hangs", "the leader's, for more than 12 s", SILENCE, f"whole {took:.0f} s after it went on")


def replaced(site: Site) -> Seen:
    watch = Watch(site)
    host = site.lead()
    at = time.monotonic()
    host.replace("02:fc:00:00:00:9" + str(host.number))
    await_that("licenses are granted", lambda: watch.granted_after(at, 60))
    host.boot()
    install(site, host)
    refused = host.sh(f"triadd init {FLAGS}", check=False).stdout
    print("    triadd init says: " + refused.strip().splitlines()[-1])
    host.sh(f"echo --node={host.number} >>/etc/triad/triadd.flags; triadd rejoin {FLAGS}")
    host.sh("systemctl enable --now triadd", timeout=90)
    took = whole(site)
    wrong = reissue(site)
    seen = watch.end("host lost and replaced", "the leader's host, by one with another network card", SILENCE,
                     f"rejoin; whole after {took:.0f} s, {WAIVED}")
    seen.must(not wrong, wrong)
    return seen


def recover_elsewhere(site: Site) -> Seen:
    """Two hosts are lost for good, and the third one's disk is put into another machine."""
    watch = Watch(site)
    left = site.follower()
    lost = [host for host in site.hosts if host is not left]
    for host in lost:
        host.replace(host.mac)
    left.move(f"02:fc:00:00:00:8{left.number}")
    left.boot()
    await_that("it does not start on another machine",
               lambda: "(-9)" in left.sh("journalctl -u triadd -b --no-pager", check=False).stdout, 30)
    left.sh("systemctl stop triadd; systemctl reset-failed triadd", check=False)
    print("    " + recover_one(left).strip().replace("\n", "\n    "))
    took = watch.await_grants(20, 180)
    come_back(site, lost)
    whole(site)
    wrong = reissue(site)
    seen = watch.end("recover on other hardware", "two hosts lost, the third one's disk in another machine; recover, rejoin "
                     "of two new ones", NO_GOAL, f"granted again {took:.0f} s after the recovery, {WAIVED}", True)
    seen.must(not wrong, wrong)
    return seen


def recover_one(host: Host) -> str:
    """A new cluster of this host's data."""
    words = host.sh(f"triadd recover {FLAGS}", check=False).stdout
    host.sh(f"triadd recover --accept-loss {FLAGS}")
    host.sh("systemctl enable --now triadd", timeout=90)
    return words


def recover(site: Site) -> Seen:
    watch = Watch(site)
    left = next(host for host in site.hosts if host.mac == host.licensed_mac)
    lost = [host for host in site.hosts if host is not left]
    for host in lost:
        host.replace(host.mac)
    left.sh("systemctl stop triadd")
    print("    " + recover_one(left).strip().replace("\n", "\n    "))
    took = watch.await_grants(20, 180)
    come_back(site, lost)
    whole(site)
    return watch.end("two hosts lost for good", "recover on the third, rejoin of two new ones", NO_GOAL,
                     f"granted again {took:.0f} s after the recovery (a time to live is 60 s)", True)


def put_back(site: Site, watch: Watch, mac_of) -> float:
    """A backup of the running cluster, the loss of all three, the backup put back on the machine that mac_of(host)
    names. Returns how long it took until licenses were granted again."""
    host = site.follower()
    copy = site.work / "backup"
    print("    " + host.sh("triad backup /root/backup").stdout.strip())
    shutil.copy(host.root / "root/backup", copy)
    watch.await_grants(100)
    for other in site.hosts:
        other.replace(mac_of(other) if other is host else other.mac)
    host.boot()
    install(site, host)
    shutil.copy(copy, host.root / "root/backup")
    words = host.sh(f"triad restore /root/backup --data-dir=/var/lib/triad --node={host.number}").stdout
    print("    " + words.strip().replace("\n", "\n    "))
    host.sh("systemctl enable --now triadd", timeout=90)
    took = watch.await_grants(20, 180)
    come_back(site, [other for other in site.hosts if other is not host])
    whole(site)
    return took


def backup(site: Site) -> Seen:
    """As docs/operations.md says."""
    watch = Watch(site)
    took = put_back(site, watch, lambda host: host.mac)
    return watch.end("all three lost, a backup put back", "triad backup, triad restore, rejoin of the others", NO_GOAL,
                     f"granted again {took:.0f} s after the restore (a time to live is 60 s)", True)


def restore_elsewhere(site: Site) -> Seen:
    watch = Watch(site)
    took = put_back(site, watch, lambda host: f"02:fc:00:00:00:7{host.number}")
    wrong = reissue(site)
    seen = watch.end("a backup put back on other hardware", "all three lost; triad restore on a machine that is not licensed, "
                     "rejoin of the others", NO_GOAL, f"granted again {took:.0f} s after the restore, {WAIVED}", True)
    seen.must(not wrong, wrong)
    return seen


DRILLS = {"full_disk": full_disk, "stuck_disk": stuck_disk, "replaced": replaced, "recover": recover,
          "recover_elsewhere": recover_elsewhere, "backup": backup, "restore_elsewhere": restore_elsewhere}
