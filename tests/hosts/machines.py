"""Debian systems, booted by systemd in containers, each in a network namespace of its own, joined by a bridge in another,
beside one for the applications and one for those that are far away. Needs root, and nothing but debootstrap,
systemd-nspawn, ip and nft. All addresses lie in these namespaces; nothing of them is reachable from outside.

A power cut is the end of all processes of a host at once: what the kernel had not written yet is written all the same.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

NAMESPACES = ("triad-net", "triad-apps", "triad-far", "triad-lic1", "triad-lic2", "triad-lic3")
BASE_PACKAGES = ("systemd", "systemd-sysv", "dbus", "iproute2", "nftables", "procps", "iputils-ping", "bash-completion",
                 "faketime")
MIRROR = "http://deb.debian.org/debian"
BOOT_S = 90
DISK = "1200M"  # of a host


def run(*command: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=timeout)
    if check and done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode}: {' '.join(command)}\n{done.stdout}")
    return done


def await_that(what: str, condition, seconds: float = 60) -> float:
    """Waits until condition() is true; returns how long it took. Raises, naming `what`, when the time is over."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - begun


def complete(base: Path, packages: list[Path]) -> None:
    """What our packages depend on, into the base: the hosts reach no mirror."""
    wanted: list[str] = []
    for package in packages:
        depends = run("dpkg-deb", "-f", str(package), "Depends").stdout
        names = [part.split("|")[0].split("(")[0].strip() for part in depends.split(",")]
        wanted += [name for name in names if name and not name.startswith(("triad-", "libtriad"))]
    have = run("dpkg-query", f"--admindir={base}/var/lib/dpkg", "-W", "-f", "${Package} ${db:Status-Status}\n").stdout
    installed = {line.split()[0] for line in have.splitlines() if line.endswith(" installed")}
    if missing := sorted(set(wanted) - installed):
        print(f"adding to the base system: {' '.join(missing)}")
        run("cp", "/etc/resolv.conf", str(base / "etc/resolv.conf"), check=False)
        run("chroot", str(base), "apt-get", "update", check=False)
        run("chroot", str(base), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y",
            "--no-install-recommends", *missing, timeout=900)


def make_base(base: Path) -> None:
    """The system that all hosts begin with; made once."""
    if base.exists():
        return
    print(f"making a Debian base system in {base} (once)")
    new = base.with_name("base.new")
    shutil.rmtree(new, ignore_errors=True)
    run("debootstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}", "bookworm", str(new), MIRROR,
        timeout=900)
    for name in ("etc/machine-id", "var/lib/dbus/machine-id"):
        (new / name).unlink(missing_ok=True)
    new.rename(base)


class Network:
    """Bridge and namespaces."""

    def __init__(self) -> None:
        self.remove()
        for name in NAMESPACES:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", "triad-net", "link", "add", "br0", "type", "bridge")
        run("ip", "-n", "triad-net", "link", "set", "br0", "up")

    def plug(self, namespace: str, number: int, mac: str) -> None:
        """A cable from the namespace to the bridge: 10.77.0.NUMBER and fd77::NUMBER."""
        port = f"p{number}"
        run("ip", "-n", "triad-net", "link", "del", port, check=False)
        run("ip", "-n", "triad-net", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run("ip", "-n", "triad-net", "link", "set", port, "master", "br0", "up")
        run("ip", "-n", namespace, "link", "set", "eth0", "address", mac)
        run("ip", "-n", namespace, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        run("ip", "-n", namespace, "addr", "add", f"fd77::{number}/64", "dev", "eth0", "nodad")
        run("ip", "-n", namespace, "link", "set", "eth0", "up")

    @contextlib.contextmanager
    def slow(self, number: int, delay_ms: float, loss_percent: float) -> Iterator[None]:
        """The cable of NUMBER takes so long each way, and loses so much."""
        port, bridge, ends = f"p{number}", f"s{number}", (f"s{number}a", f"s{number}b")
        link = subprocess.Popen(
            ["ip", "netns", "exec", "triad-net", sys.executable, "-B", str(Path(__file__).resolve().parent / "link.py"),
             *ends, str(delay_ms), str(loss_percent)], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            if link.stdout is None or link.stdout.readline() != "ready\n":
                raise RuntimeError("the slow cable is not there")
            run("ip", "-n", "triad-net", "link", "add", bridge, "type", "bridge")
            for device, master in ((ends[0], "br0"), (ends[1], bridge), (port, bridge)):
                run("ip", "-n", "triad-net", "link", "set", device, "master", master, "up")
            run("ip", "-n", "triad-net", "link", "set", bridge, "up")
            yield
        finally:
            run("ip", "-n", "triad-net", "link", "set", port, "master", "br0", check=False)
            run("ip", "-n", "triad-net", "link", "del", bridge, check=False)
            link.kill()
            link.wait()

    def remove(self) -> None:
        for name in NAMESPACES:
            run("ip", "netns", "del", name, check=False)


class Host:
    def __init__(self, network: Network, number: int, work: Path, base: Path) -> None:
        self.number = number
        self.name = f"lic{number}"
        self.namespace = f"triad-{self.name}"
        self.network = network
        self.base = base
        self.dir = work / self.name
        self.disk = self.dir / "disk"
        self.root = self.dir / "root"
        self.licensed_mac = f"02:fc:00:00:00:0{number}"
        self.mac = self.licensed_mac
        self.process: subprocess.Popen[bytes] | None = None
        self.make()

    def make(self) -> None:
        """A fresh system, with a disk of its own: hosts that shared a file system would wait for each other's syncs."""
        for part in (self.disk, self.root):
            part.mkdir(parents=True, exist_ok=True)
        run("fallocate", "-l", DISK, str(self.dir / "image"))
        run("mkfs.ext4", "-q", "-F", str(self.dir / "image"))
        run("mount", "-o", "loop", str(self.dir / "image"), str(self.disk))
        for part in ("upper", "over"):
            (self.disk / part).mkdir()
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={self.base},upperdir={self.disk}/upper,workdir={self.disk}/over", str(self.root))
        (self.root / "etc/hostname").write_text(self.name + "\n")
        names = "".join(f"10.77.0.{k} lic{k}\nfd77::{k} lic{k}\n" for k in (1, 2, 3))
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n" + names)
        # The three images lie on one disk, which dpkg's syncs on one host would keep busy for the other two.
        (self.root / "etc/dpkg/dpkg.cfg.d/drills").write_text("force-unsafe-io\n")
        self.network.plug(self.namespace, self.number, self.mac)

    def replace(self, mac: str) -> None:
        """Another machine in the place of this one, which is gone with its disk."""
        self.power_off()
        self.forget()
        self.mac = mac
        self.make()

    def move(self, mac: str) -> None:
        """Its disk, in another machine."""
        self.power_off()
        self.mac = mac
        self.network.plug(self.namespace, self.number, mac)

    def forget(self) -> None:
        self.unmount()
        shutil.rmtree(self.dir, ignore_errors=True)

    def unmount(self) -> None:
        for mounted in (self.root, self.disk):
            run("umount", "-l", str(mounted), check=False)

    def freeze(self, on: bool) -> None:
        """Its disk does not answer to writes any more, until it is told to."""
        run("fsfreeze", "--freeze" if on else "--unfreeze", str(self.disk))

    def boot(self) -> None:
        self.begin_boot()
        self.await_boot()

    def begin_boot(self) -> None:
        log = open(self.dir / "console", "ab")  # noqa: SIM115: the container's for as long as it runs
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-q", "-b", "-D", str(self.root), "--register=no", "--keep-unit", "--link-journal=no",
             f"--network-namespace-path=/run/netns/{self.namespace}", f"--hostname={self.name}", "--console=pipe"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()

    def await_boot(self) -> None:
        await_that(f"{self.name} boots", self.up, BOOT_S)

    def leader(self) -> str:
        """The host's process 1, as this machine numbers it; "" when the host is off."""
        if self.process is None or self.process.poll() is not None:
            return ""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return (path.read_text().split() or [""])[0]

    def up(self) -> bool:
        return bool(self.leader()) and self.sh("systemctl is-system-running", check=False).stdout.strip() in (
            "running", "degraded")

    def sh(self, line: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """A shell's line on the host."""
        return run("nsenter", "-t", self.leader(), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                   "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "bash", "-c", line, check=check, timeout=timeout)

    def begin(self, line: str) -> subprocess.Popen[str]:
        """The same, not waited for."""
        return subprocess.Popen(["nsenter", "-t", self.leader(), "-a", "env", "-i",
                                 "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                                 "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "bash", "-c", line], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def pid_of(self, unit: str = "triadd") -> str:
        return self.sh(f"systemctl show -p MainPID --value {unit}").stdout.strip()

    def power_off(self) -> None:
        """Without warning."""
        if leader := self.leader():
            os.kill(int(leader), signal.SIGKILL)
        if self.process is not None:
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)

    def unplug(self) -> None:
        run("ip", "-n", "triad-net", "link", "set", f"p{self.number}", "down")

    def plug_in(self) -> None:
        run("ip", "-n", "triad-net", "link", "set", f"p{self.number}", "up")

    def cut(self, hook: str, what: str = "") -> None:
        """hook: input (it hears nobody) or output (nobody hears it). what: only that, in nft's words."""
        way = "iifname" if hook == "input" else "oifname"
        commands = (f"add table inet cut; add chain inet cut c {{ type filter hook {hook} priority 0; }};"
                    f"add rule inet cut c {way} lo accept; add rule inet cut c {what} drop")
        run("ip", "netns", "exec", self.namespace, "nft", commands)

    def mend(self) -> None:
        run("ip", "netns", "exec", self.namespace, "nft", "delete", "table", "inet", "cut")
