"""The three hosts and the applications beside them."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from machines import NAMESPACES, Host, Network, await_that, complete, make_base, run

APPS = ("ann", "bob", "cid")
LICENSES = 100
FAR = "triad-far"  # a namespace whose cable a drill may make slow


class App:
    """A process that holds licenses and takes and returns others; see app.py."""

    def __init__(self, site: "Site", name: str, directory: Path, search_path: str, namespace: str) -> None:
        self.directory = directory
        self.requests_file = directory / f"{name}.requests"
        self.events_file = directory / f"{name}.events"
        self.paused_file = directory / f"{name}.paused"
        self.log = directory / f"{name}.log"
        script = Path(__file__).resolve().parent / "app.py"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, sys.executable, "-B", str(script), str(site.library), search_path, name,
                 str(directory)], env=site.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def requests(self) -> list[tuple[float, float, int]]:
        """When each ended, how many ms it took, its error."""
        if not self.requests_file.exists():
            return []
        lines = [line.split() for line in self.requests_file.read_text().splitlines()]
        return [(float(line[0]), float(line[1]), int(line[2])) for line in lines if len(line) >= 3]

    def count(self) -> int:
        return sum(1 for request in self.requests() if request[2] == 0)

    def stop(self) -> None:
        """It gives everything back."""
        (self.directory / "stop").touch()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()


class Site:
    def __init__(self, build: Path, work: Path, packages: list[Path], newer: list[Path]) -> None:
        self.build = build
        self.work = work
        self.packages = packages  # server and tools, as they are
        self.newer = newer        # the same, by a higher version
        self.bin = build / "bin"
        self.library = build / "lib" / "libtriad.so.1"
        self.hosts: list[Host] = []
        self.apps: list[App] = []
        self.requests = work / "apps"
        self.vendor = work / "vendor"  # the vendor's keys and files, and the customer's certificates
        self.certs = self.vendor / "certs"
        self.addresses = ",".join(f"27000@10.77.0.{k}" for k in (1, 2, 3))
        self.addresses6 = ",".join(f"27000@[fd77::{k}]" for k in (1, 2, 3))
        self.env = {**os.environ, "TRIAD_TLS_CA": str(self.certs / "client-bundle/ca.crt"), "HOME": str(work)}
        self.network: Network | None = None
        self.rounds = 0  # of drills that are played in rounds; 0: as many as is usual for each

    def build_up(self) -> None:
        make_base(self.build / "hosts" / "base")
        complete(self.build / "hosts" / "base", self.packages)
        for number in (1, 2, 3):  # a run that was killed has left them
            for part in ("root", "disk"):
                run("umount", "-l", str(self.work / f"lic{number}" / part), check=False)
        shutil.rmtree(self.work, ignore_errors=True)
        self.requests.mkdir(parents=True)
        self.network = Network()
        self.network.plug("triad-apps", 10, "02:fc:00:00:00:10")
        self.network.plug(FAR, 11, "02:fc:00:00:00:11")
        for number in (1, 2, 3):
            self.hosts.append(Host(self.network, number, self.work, self.build / "hosts" / "base"))
        for host in self.hosts:
            host.begin_boot()
        for host in self.hosts:
            host.await_boot()

    def take_down(self) -> None:
        for app in self.apps:
            app.process.kill()
        for host in self.hosts:
            host.power_off()
            host.unmount()
        for name in NAMESPACES:
            run("ip", "netns", "del", name, check=False)

    def in_apps(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", "triad-apps", *command]

    def triad(self, *arguments: str, servers: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """The tool, where the applications are. env: what is other than usual, "" for unset."""
        whole = {name: value for name, value in {**self.env, **env}.items() if value}
        return subprocess.run(self.in_apps(str(self.bin / "triad"), "-c", servers or self.addresses, *arguments), text=True,
                              env=whole, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False, timeout=60)

    def can_lose_one(self, servers: str = "") -> bool:
        return '"can_lose":1' in self.triad("status", "--json", servers=servers).stdout

    def lead(self) -> Host:
        found: list[str] = []

        def named() -> bool:
            found[:] = re.findall(r'"leader":([1-3])', self.triad("status", "--json").stdout)
            return bool(found)

        await_that("there is a leader", named)
        return self.hosts[int(found[0]) - 1]

    def transfer_lead(self, host: Host) -> None:
        """To that host, by the admin socket of the one that leads; other hosts have no say over TLS."""
        if self.lead() is not host:
            self.lead().sh(f"triad transfer-lead --to={host.number}")
        await_that(f"{host.name} leads", lambda: self.lead() is host)

    def follower(self) -> Host:
        lead = self.lead()
        return next(host for host in self.hosts if host is not lead)

    def term(self) -> int:
        found = re.search(r'"term":(\d+)', self.triad("status", "--json").stdout)
        return int(found.group(1)) if found else 0

    def in_use(self, feature: str, servers: str = "") -> int:
        answer = self.triad("features", "--json", servers=servers).stdout
        found = re.search(rf'"name":"{feature}"[^}}]*"used":(\d+)', answer)
        return int(found.group(1)) if found else -1

    def start_apps(self) -> None:
        for name in APPS:
            self.apps.append(App(self, name, self.requests, self.addresses, "triad-apps"))
        await_that("the applications are granted licenses",
                   lambda: all(app.requests_file.exists() for app in self.apps))

    def another_app(self, name: str, search_path: str = "", namespace: str = "triad-apps") -> App:
        """One more, beside those that run throughout; the caller ends it."""
        directory = self.work / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        return App(self, name, directory, search_path or self.addresses, namespace)
