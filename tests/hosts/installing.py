"""What happens before the drills, as docs/install.md says; and what several of them do."""
import shutil
import subprocess
import time
from pathlib import Path

from machines import Host, run
from site_ import LICENSES, Site
from watching import NO_GOAL, Seen, Watch, whole

FLAGS = "--flagfile=/etc/triad/triadd.flags"
METRICS = "127.0.0.1:9464"


def license_files(site: Site) -> None:
    """A signed license file for the three, the vendor's key, and everybody's certificates."""
    made = site.vendor
    if (made / "license.dat").exists():
        return
    made.mkdir(exist_ok=True)
    run(str(site.bin / "triad"), "keygen", "--vendor=genesys.d", f"--out={made}")
    sign_license(site)
    for what in (("ca",), ("node", "1"), ("node", "2"), ("node", "3"), ("admin", "ann"), ("client", "bob"),
                 ("client-bundle",)):
        run(str(site.bin / "triad"), "certs", *what, f"--dir={site.certs}")


def sign_license(site: Site) -> Path:
    """For the machines that the hosts are now."""
    servers = "".join(f"SERVER {host.name} {host.mac.replace(':', '')} 27000\n" for host in site.hosts)
    return sign(site, "license", servers, "tserver_sdn", "agent_seats")


def reissue(site: Site) -> str:
    """The vendor signs for another machine: the file on all hosts, triad reread on one. What is not as it must be."""
    if "on a waiver until" not in site.triad("status").stdout:
        return "no waiver is told of"
    signed = sign_license(site)
    for host in site.hosts:
        shutil.copy(signed, host.root / "etc/triad/license.dat")
    words = site.lead().sh("triad reread", check=False).stdout
    print("    " + words.strip().replace("\n", "\n    "))
    if "its waiver is over" not in words:
        return f"triad reread: {words.strip().splitlines()[-1]}"
    for host in site.hosts:
        host.licensed_mac = host.mac
    site.hosts[0].sh("systemctl restart triadd", timeout=90)  # with the new file
    whole(site)
    return "the waiver is not over" if "waiver" in site.triad("status").stdout else ""


def sign(site: Site, name: str, servers: str, *features: str) -> Path:
    text, signed = site.vendor / f"{name}.txt", site.vendor / f"{name}.dat"
    text.write_text(f"{servers}VENDOR genesys.d\n" + "".join(
        f"FEATURE {feature} genesys.d 8.1 permanent {LICENSES}\n" for feature in features))
    run(str(site.bin / "triad"), "sign", f"--key={site.vendor}/genesys.d.key", f"--in={text}", f"--out={signed}")
    return signed


def certify(host: Host, files: Path) -> None:
    """A node's certificate, put where it is looked for."""
    shutil.copytree(files, host.root / "root/tls", dirs_exist_ok=True)
    host.sh("cd /root/tls && install -m 0640 -g triad node.key /etc/triad/tls/ && "
            "install -m 0644 ca.crt node.crt /etc/triad/tls/")


def apt_install(host: Host, packages: list[Path]) -> str:
    """The command, with the packages put where it finds them."""
    (host.root / "root/packages").mkdir(exist_ok=True)
    for package in packages:
        shutil.copy(package, host.root / "root/packages")
    return ("apt-get install -y --no-install-recommends --allow-downgrades "
            + " ".join(f"/root/packages/{package.name}" for package in packages))


def settings(site: Site, host: Host) -> None:
    shutil.copy(site.vendor / "license.dat", host.root / "etc/triad/license.dat")
    shutil.copy(site.vendor / "genesys.d.pub", host.root / "etc/triad/vendors.d/genesys.d.pub")
    certify(host, site.certs / f"node{host.number}")
    with open(host.root / "etc/triad/triadd.flags", "a") as flags:
        flags.write(f"--http={METRICS}\n")


def install(site: Site, host: Host) -> None:
    license_files(site)
    host.sh(apt_install(host, site.packages))
    settings(site, host)


def come_back(site: Site, hosts: list[Host]) -> None:
    """Hosts whose disks are lost, with the packages and triadd rejoin."""
    for host in hosts:
        if not host.leader():
            host.boot()
        install(site, host)
        host.sh(f"triadd rejoin {FLAGS}")
        host.sh("systemctl enable --now triadd", timeout=90)


def first_install(site: Site) -> Seen:
    begun = time.monotonic()
    license_files(site)
    # All at once, as three administrators would.
    runs = [host.begin(apt_install(host, site.packages)) for host in site.hosts]
    for host, process in zip(site.hosts, runs):
        words = process.communicate(timeout=300)[0]
        if process.returncode != 0:
            raise RuntimeError(f"apt on {host.name}: {words}")
        settings(site, host)
        host.sh(f"triadd --validate {FLAGS} && triadd init {FLAGS}")
    waits = [host.begin("systemctl enable --now triadd") for host in site.hosts]
    for wait in waits:
        wait.wait(90)
    whole(site)
    site.start_apps()
    took = time.monotonic() - begun
    print(site.hosts[0].sh("systemctl status triadd --no-pager --lines=0", check=False).stdout)
    watch = Watch(site)
    watch.await_grants(100)
    return watch.end("first install", "apt, certificates, init, start on three hosts", NO_GOAL,
                     f"TLS; licenses granted {took:.0f} s after the first apt")


class Second:
    """Another license server on the same hosts, by triadd@NAME.service, as docs/install.md says."""

    def __init__(self, site: Site, name: str, hosts: list[Host], license_file: Path, servers: str, plaintext: bool) -> None:
        self.site, self.name, self.hosts, self.servers = site, name, hosts, servers
        self.env = {"TRIAD_TLS_CA": "", "TRIAD_INSECURE": "1"} if plaintext else {}
        for host in hosts:
            etc = host.root / "etc/triad" / name
            (etc / "vendors.d").mkdir(parents=True, exist_ok=True)
            shutil.copy(license_file, etc / "license.dat")
            shutil.copy(site.vendor / "genesys.d.pub", etc / "vendors.d/genesys.d.pub")
            (etc / "triadd.flags").write_text("--insecure\n" if plaintext else "# all as it is\n")
            host.sh(f"install -d -o triad -g triad -m 0700 /var/lib/triad/{name}; triadd init "
                    f"--license=/etc/triad/{name}/license.dat --vendor-keys=/etc/triad/{name}/vendors.d "
                    f"--data-dir=/var/lib/triad/{name} --flagfile=/etc/triad/{name}/triadd.flags")
        for wait in [host.begin(f"systemctl start triadd@{name}") for host in hosts]:
            wait.wait(60)

    def triad(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.site.triad(*arguments, servers=self.servers, **self.env)

    def stop(self) -> None:
        for host in self.hosts:
            host.sh(f"systemctl stop triadd@{self.name}; rm -rf /var/lib/triad/{self.name} /etc/triad/{self.name}")
