"""What an administrator does to hosts and packages, as docs/operations.md says. No application sees an error."""
import subprocess
import time

from installing import Second, apt_install, come_back, sign
from machines import Host, await_that
from site_ import Site
from watching import NO_GOAL, PLANNED, Seen, Watch, settle, whole


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


def told(process: subprocess.Popen[str], name: str) -> bool:
    words = process.communicate(timeout=400)[0]
    for line in words.splitlines():
        if "restart-in-turn" in line or "triad-server:" in line:
            print(f"    {name}: {line}")
    return process.returncode == 0


def rolling(site: Site) -> Seen:
    watch = Watch(site)
    before = [host.pid_of() for host in site.hosts]
    for host in site.hosts:
        if not told(host.begin(apt_install(host, site.newer)), host.name):
            raise RuntimeError(f"apt failed on {host.name}")
        whole(site)
    after = [host.pid_of() for host in site.hosts]
    seen = watch.end("rolling upgrade", "apt on one host after the other", PLANNED, "all run the new program")
    seen.must(all(a != b for a, b in zip(before, after)), "not all were restarted")
    return seen


def same_minute(site: Site) -> Seen:
    """To the other version, whichever that is."""
    watch = Watch(site)
    has = site.hosts[0].sh("dpkg-query -W -f '${Version}' triad-server").stdout
    other = site.newer if f"_{has}_" in site.packages[0].name else site.packages
    before = [host.pid_of() for host in site.hosts]
    runs = [host.begin(apt_install(host, other)) for host in site.hosts]
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
    seen.must(served, "two nodes were down at once")
    seen.must(all(good), "apt failed")
    return seen


def removal(site: Site) -> Seen:
    watch = Watch(site)
    host = site.follower()
    host.sh("apt-get remove -y triad-server")
    kept = host.sh("ls /var/lib/triad", check=False).stdout.split()
    print(f"    after removal /var/lib/triad has: {' '.join(kept)}")
    host.sh(apt_install(host, site.packages))
    host.sh("systemctl enable --now triadd", timeout=90)
    whole(site)
    seen = watch.end("package removed and installed again", "apt remove, apt install", PLANNED, "the node's data stayed")
    seen.must("identity" in kept, "the node's identity is gone")
    return seen


def purge(site: Site) -> Seen:
    watch = Watch(site)
    host = site.follower()
    host.sh("apt-get purge -y triad-server")
    data = host.sh("ls -d /var/lib/triad /var/log/triad", check=False).returncode != 0 and not host.sh(
        "find /var/lib/triad /var/log/triad 2>/dev/null", check=False).stdout
    own = host.sh("test -e /etc/triad/license.dat && test -e /etc/triad/tls/node.key", check=False).returncode == 0
    come_back(site, [host])
    took = whole(site)
    seen = watch.end("package purged", "apt purge, apt install, rejoin", PLANNED,
                     f"data gone, licenses and certificates left; whole {took:.0f} s after the rejoin")
    seen.must(data, "the purge left the node's data")
    seen.must(own, "the purge took licenses or certificates")
    return seen


def move(site: Site, host: Host, old: str, new: str, number: int) -> None:
    """docs/operations.md, "Another address for a host"."""
    for other in site.hosts:
        other.sh(f"sed -i 's/SERVER {old} /SERVER {new} /' /etc/triad/license.dat; "
                 f"grep -q ' {new}$' /etc/hosts || echo '10.77.0.{number} {new}' >>/etc/hosts")
    host.sh("triad drain && systemctl stop triadd")
    host.sh(f"ip addr flush dev eth0 && ip addr add 10.77.0.{number}/24 dev eth0 && "
            f"ip addr add fd77::{number}/64 dev eth0 nodad")
    for other in site.hosts:
        if other is not host:
            other.sh("systemctl reload triadd")
    host.sh("systemctl start triadd", timeout=90)


def address(site: Site) -> Seen:
    watch = Watch(site)
    host = site.hosts[2]
    move(site, host, "lic3", "newlic3", 33)
    moved = ",".join(f"27000@10.77.0.{k}" for k in (1, 2, 33))
    took = whole(site, moved)
    host.sh("triad reread")
    log = site.hosts[0].sh("journalctl -u triadd --no-pager -o cat").stdout
    watch.await_grants()
    move(site, host, "newlic3", "lic3", 3)
    whole(site)
    host.sh("triad reread")
    seen = watch.end("another address for a host", "drain, stop, move, reload on the others, start, reread; and back", PLANNED,
                     f"whole {took:.0f} s after the start; the applications' own addresses stayed as they were")
    seen.must("node 3 is looked for at 27000@newlic3" in log, "the journal does not tell of the new address")
    return seen


def one_to_three(site: Site) -> Seen:
    """docs/operations.md, "One server becomes three, and back"."""
    watch = Watch(site)
    file = sign(site, "one", "SERVER lic1 02fc00000001 27300\n", "tserver_sdn", "agent_seats")
    old = "27300@10.77.0.1"
    one = Second(site, "one", site.hosts[:1], file, old, plaintext=False)
    places, requests = [old, site.addresses, old], []
    for place in places:
        app = site.another_app("dan", place)
        await_that(f"dan is granted licenses at {place}", lambda a=app: a.count() >= 20)
        here = site.in_use("tserver_sdn", place)
        print(f"    dan's and others' at {place}: {here}")
        requests += app.requests()
        app.stop()
        await_that("what dan held is free", lambda p=place, h=here: site.in_use("tserver_sdn", p) == h - 5)
    empty = one.triad("who").stdout
    one.stop()
    errors = sum(1 for request in requests if request[2] != 0)
    seen = watch.end("one server becomes three, and back", "an application restarted with other addresses, twice", NO_GOAL,
                     f"it saw {len(requests)} grants, {errors} errors")
    seen.errors += errors
    seen.must("dan" not in empty, "the old server still counts what dan held")
    return seen


DRILLS = {"restarts": restarts, "rolling": rolling, "same_minute": same_minute, "reboots": reboots, "removal": removal,
          "purge": purge, "address": address, "one_to_three": one_to_three}
