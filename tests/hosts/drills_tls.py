"""Certificates: one that runs out, and those that are somebody else's."""
import shutil
import subprocess
import time
from pathlib import Path

from installing import METRICS, certify
from machines import Host, await_that, run
from site_ import Site
from watching import NO_GOAL, SILENCE, Seen, Watch, whole

LIFE_S = 45  # of the certificate that runs out
CERTIFICATE = "/etc/triad/tls/node.crt"


def journal(host: Host) -> str:
    return host.sh("journalctl -u triadd --no-pager -o cat").stdout


def page(host: Host, path: str) -> str:
    where, _, port = METRICS.rpartition(":")
    return host.sh(f"exec 3<>/dev/tcp/{where}/{port}; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3").stdout


def metric(host: Host, name: str) -> float:
    return next(float(line.split()[1]) for line in page(host, "/metrics").splitlines() if line.startswith(name + " "))


def words(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr + done.stdout).strip()


def short_lived(site: Site, host: Host, seconds: int) -> Path:
    """A certificate of the host's node that is good for so long from now on."""
    made = site.work / f"short{seconds}"
    shutil.copytree(site.certs, made)
    shutil.rmtree(made / f"node{host.number}")
    shutil.copytree(made, host.root / f"root/{made.name}")
    # The host has faketime; a day's certificate of a day ago, nearly.
    host.sh(f"LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME=-{86400 - seconds} "
            f"triad certs node {host.number} --days=1 --dir=/root/{made.name}")
    return host.root / f"root/{made.name}/node{host.number}"


def break_connections(host: Host) -> None:
    """All of the host's, by resets in both directions for two seconds."""
    rules = "".join(f"add chain inet broken {hook} {{ type filter hook {hook} priority 0; }};"
                    f"add rule inet broken {hook} {way} lo accept;"
                    f"add rule inet broken {hook} meta l4proto tcp reject with tcp reset;"
                    for hook, way in (("input", "iifname"), ("output", "oifname")))
    nft = ("ip", "netns", "exec", host.namespace, "nft")
    run(*nft, "add table inet broken;" + rules)
    time.sleep(2)
    run(*nft, "delete table inet broken")


def expired(site: Site) -> Seen:
    watch = Watch(site)
    host = site.follower()
    good = site.certs / f"node{host.number}"
    short = short_lived(site, host, LIFE_S)
    certify(host, short)
    host.sh("systemctl reload triadd")
    await_that("the new certificate is taken", lambda: "new certificate, good until" in journal(host))
    until = metric(host, "triad_certificate_expiry_timestamp_seconds")
    warned = [line for line in journal(host).splitlines() if CERTIFICATE in line]
    print(f"    the metric says {until - time.time():.0f} s; the log says: {warned[-1] if warned else 'nothing'}")
    await_that("it has expired", lambda: time.time() > until + 1, LIFE_S + 10)
    stands = " 200 " in page(host, "/readyz").splitlines()[0]
    break_connections(host)
    await_that("the others do without it", lambda: '"role":"down"' in site.triad("status", "--json").stdout)
    at = time.monotonic()
    await_that("licenses are granted", lambda: watch.granted_after(at, 100))
    alone = words(site.triad("status", servers=f"27000@10.77.0.{host.number}"))
    print("    " + alone)
    certify(host, good)
    host.sh("systemctl reload triadd")
    back = whole(site)
    site.transfer_lead(host)  # its own connections to the others are good again, too
    watch.await_grants()
    # The same one again, which has expired by now.
    certify(host, short)
    host.sh("systemctl reload triadd")
    await_that("a reload refuses it", lambda: "new certificates are not taken" in journal(host))
    kept = site.can_lose_one()
    host.sh("systemctl restart triadd", check=False, timeout=90)
    await_that("a start is refused", lambda: "refusing to start" in journal(host))
    refusal = [line for line in journal(host).splitlines() if "refusing to start" in line][-1]
    print("    " + refusal)
    certify(host, good)
    took = whole(site)
    seen = watch.end("expired certificate", "one node's runs out and all its connections break; replaced, reload; the expired "
                     "one again, restart; replaced", SILENCE,
                     f"whole {back:.0f} s after the reload; {took:.0f} s after the refused start")
    seen.must(bool(warned), "the log did not warn")
    seen.must(stands, "what stood broke when it expired")
    seen.must("expired" in alone, f"a tool does not say that it has expired: {alone}")
    seen.must(kept, "a reload took the expired one")
    seen.must(CERTIFICATE in refusal and "triad certs" in refusal, f"the refusal does not say what to do: {refusal}")
    return seen


def strangers(site: Site) -> Seen:
    """Wrong certificates, and none: nothing but what that role may do."""
    watch = Watch(site)
    triad = str(site.bin / "triad")
    other = site.work / "another"
    for what in (("ca",), ("admin", "eve")):
        run(triad, "certs", *what, f"--dir={other}")
    ours, theirs = site.certs, other
    shown = {  # the authority, the certificate without its ending; may look, may act
        "none": (ours / "ca.crt", None, True, False),
        "a client's": (ours / "ca.crt", ours / "client-bob/client", True, False),
        "a node's": (ours / "ca.crt", ours / "node2/node", True, False),
        "another authority's admin": (ours / "ca.crt", theirs / "admin-eve/admin", False, False),
        "another authority is trusted": (theirs / "ca.crt", theirs / "admin-eve/admin", False, False),
        "an admin's": (ours / "ca.crt", ours / "admin-ann/admin", True, True),
    }
    wrong = []
    for name, (authority, certificate, look, act) in shown.items():
        env = {"TRIAD_TLS_CA": str(authority)}
        if certificate is not None:
            env |= {"TRIAD_TLS_CERT": f"{certificate}.crt", "TRIAD_TLS_KEY": f"{certificate}.key"}
        looked = site.triad("status", **env)
        checked = site.triad("checkout", "-f", "agent_seats", "--hold=0", **env)
        acted = site.triad("transfer-lead", **env)
        said = words(acted).splitlines()[-1]
        print(f"    {name}: status {looked.returncode}, checkout {checked.returncode}, transfer-lead {acted.returncode}: {said}")
        if (looked.returncode == 0, checked.returncode == 0, acted.returncode == 0) != (look, look, act):
            wrong.append(name)
        whole(site)
    plain = site.triad("status", TRIAD_TLS_CA="", TRIAD_INSECURE="1")
    print(f"    plaintext: status {plain.returncode}: {words(plain)}")
    host = site.follower()
    certify(host, site.certs / f"node{host.number % 3 + 1}")
    host.sh("systemctl reload triadd")
    await_that("another node's certificate is refused", lambda: "is the certificate of node" in journal(host))
    kept = site.can_lose_one()
    certify(host, site.certs / f"node{host.number}")
    host.sh("systemctl reload triadd")
    whole(site)
    seen = watch.end("wrong certificates", "tools with none, a client's, a node's, another authority's, an admin's; another "
                     "slot's on a node", NO_GOAL, "each may do what its role may")
    seen.must(not wrong, f"not as it must be: {', '.join(wrong)}")
    seen.must(plain.returncode == 3, "plaintext was answered")
    seen.must(kept, "the certificate of another slot was taken")
    return seen


DRILLS = {"expired": expired, "strangers": strangers}
