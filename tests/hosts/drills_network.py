"""What lies between: far hosts and clients, firewalls, IPv6."""
import contextlib
import time

from installing import Second, sign
from machines import await_that, run
from drills_loss import KILL
from site_ import FAR, Site
from watching import DEATH, HELD, NO_GOAL, SILENCE, Pause, Seen, Watch, whole

PORT = 27000
FORGET_S = 20  # shorter than the library's keepalive of 30 s


def connections(site: Site) -> list[tuple[str, str]]:
    """The applications' own ports, and the servers' addresses."""
    lines = run(*site.in_apps("ss", "-Htn", "dport", "=", f":{PORT}")).stdout.splitlines()
    ends = [line.split()[3:5] for line in lines]
    return sorted({(own.rpartition(":")[2], other.rpartition(":")[0]) for own, other in ends})


@contextlib.contextmanager
def firewall(site: Site, rules: str):
    run(*site.in_apps("nft", "add table inet fw; add chain inet fw c { type filter hook output priority 0; };" + rules))
    try:
        yield
    finally:
        run(*site.in_apps("nft", "delete table inet fw"))


def silenced(site: Site, verdict: str, name: str, did: str, goal: int, note: str) -> Seen:
    """All connections that are open now; new ones are let through."""
    watch = Watch(site)
    ports = ", ".join(sorted({own for own, _ in connections(site)}))
    at = time.monotonic()
    with firewall(site, f"add rule inet fw c tcp sport {{ {ports} }} tcp dport {PORT} {verdict}"):
        await_that("licenses are granted", lambda: watch.granted_after(at, 200))
    return watch.end(name, did, goal, note)


def silence(site: Site) -> Seen:
    return silenced(site, "drop", "firewall that was restarted", "all open connections of the applications are dropped in "
                    "silence", NO_GOAL, "new ones are made by the library")


def resets(site: Site) -> Seen:
    return silenced(site, "reject with tcp reset", "firewall that resets",
                    "all open connections of the applications are reset", SILENCE, "")


def forgets(site: Site) -> Seen:
    """Connections that were idle are dropped in silence; then the leader dies."""
    watch = Watch(site)
    flow = "ip saddr . tcp sport . ip daddr . tcp dport"
    known = ", ".join(f"10.77.0.10 . {own} . {other} . {PORT}" for own, other in connections(site))
    rules = ("add set inet fw known { type ipv4_addr . inet_service . ipv4_addr . inet_service; flags dynamic,timeout; "
             f"timeout {FORGET_S}s; }}; add element inet fw known {{ {known} }};"
             f"add rule inet fw c tcp dport != {PORT} accept;"
             f"add rule inet fw c tcp flags & (syn|ack) == syn update @known {{ {flow} }} accept;"
             f"add rule inet fw c {flow} @known update @known {{ {flow} }} accept; add rule inet fw c counter drop")
    with firewall(site, rules):
        with Pause(site):
            time.sleep(3 * FORGET_S)  # the drill is that nothing happens for so long
        at = time.monotonic()
        site.lead().sh(KILL)
        await_that("licenses are granted", lambda: watch.granted_after(at, 200))
        counter = run(*site.in_apps("nft", "list", "chain", "inet", "fw", "c")).stdout
    dropped = counter.partition("packets ")[2].split()[0]
    whole(site)
    return watch.end("firewall that forgets", f"connections idle for {FORGET_S} s are dropped in silence; after a minute "
                     "without requests the leader dies", SILENCE, f"{dropped} packets were dropped")


def far(site: Site) -> Seen:
    """A client behind a slow and lossy road, and the leader dies."""
    watch = Watch(site)
    with site.network.slow(11, 75, 1):
        app = site.another_app("far", namespace=FAR)
        try:
            await_that("the far application is granted licenses", lambda: app.count() >= 20, 120)
            site.lead().sh(KILL)
            before = app.count()
            await_that("and after the leader's death", lambda: app.count() >= before + 20, 120)
            whole(site)
        finally:
            app.stop()
    await_that("its licenses are free again", lambda: site.in_use("tserver_sdn") == HELD, 120)
    requests = app.requests()
    errors = sum(1 for request in requests if request[2] != 0)
    longest = max(took for _, took, _ in requests)
    seen = watch.end("clients behind 150 ms and 1 % loss", "kill -9 of the leader's process", DEATH,
                     f"the far one: {len(requests)} grants, {errors} errors, longest {longest:.0f} ms")
    seen.errors += errors
    return seen


def node_far(site: Site) -> Seen:
    """One host has a long cable: it follows, leads, and dies as the leader."""
    watch = Watch(site)
    host = site.hosts[2]
    with site.network.slow(3, 15, 0):
        if site.lead() is host:
            site.transfer_lead(site.hosts[0])
        watch.await_grants(100)
        site.transfer_lead(host)
        one = Watch(site)
        one.await_grants(100)
        usual = sorted(took for _, took, _ in one.requests())
        host.sh(KILL)
        watch.await_grants(100)
        whole(site)
    return watch.end("a node 30 ms away", "it is made leader, then its process is killed", DEATH,
                     f"while it led a request took {usual[len(usual) // 2]:.0f} ms")


def ipv6(site: Site) -> Seen:
    """Another license server on the same hosts, that has IPv6 addresses alone, and no TLS."""
    watch = Watch(site)
    file = sign(site, "six", "".join(f"SERVER fd77::{k} INTERNET=fd77::{k} 27100\n" for k in (1, 2, 3)), "six")
    six = Second(site, "six", site.hosts, file, ",".join(f"27100@[fd77::{k}]" for k in (1, 2, 3)), plaintext=True)
    await_that("it can lose one", lambda: '"can_lose":1' in six.triad("status", "--json").stdout)
    grants = [six.triad("checkout", "-f", "six:5", "--hold=0").returncode for _ in range(5)]
    leader = six.triad("status", "--json").stdout.split('"leader":')[1][0]
    site.hosts[int(leader) - 1].sh("systemctl kill --signal=KILL --kill-whom=main triadd@six")
    grants += [six.triad("checkout", "-f", "six:5", "--hold=0").returncode for _ in range(5)]
    six.stop()
    seen = watch.end("IPv6 only, plaintext", "another server by triadd@six.service with --insecure, its leader killed", NO_GOAL,
                     f"{grants.count(0)} of {len(grants)} checkouts by IPv6 were granted")
    seen.errors += len(grants) - grants.count(0)
    return seen


def dual_stack(site: Site) -> Seen:
    """The hosts' names have both kinds of addresses. IPv4 is cut on the leader's host, then mended, then IPv6."""
    watch = Watch(site)
    app = site.another_app("eve", site.addresses6)
    took = {}
    try:
        await_that("an application is granted licenses by IPv6", lambda: app.count() >= 20)
        for what, nft, others in (("IPv4", "meta nfproto ipv4", site.addresses6),
                                  ("IPv6", "meta nfproto ipv6", site.addresses)):
            host = site.lead()
            host.cut("input", nft)
            try:
                watch.await_grants(100)
                took[what] = whole(site, others)
            finally:
                host.mend()
            whole(site)
    finally:
        app.stop()
    await_that("its licenses are free again", lambda: site.in_use("tserver_sdn") == HELD, 120)
    errors = sum(1 for request in app.requests() if request[2] != 0)
    seen = watch.end("dual stack", "the leader's host loses IPv4, then IPv6", SILENCE,
                     f"the application by IPv6: {app.count()} grants, {errors} errors; all three together again after "
                     f"{took['IPv4']:.0f} s by IPv6, {took['IPv6']:.0f} s by IPv4")
    seen.errors += errors
    return seen


DRILLS = {"resets": resets, "silence": silence, "forgets": forgets, "far": far, "node_far": node_far, "ipv6": ipv6,
          "dual_stack": dual_stack}
