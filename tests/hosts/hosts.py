#!/usr/bin/env python3
"""What may happen to three hosts, played on three booted Debian systems with the packages installed, while applications
with three SERVER lines hold licenses and take more.

  hosts.py --build DIR [--short] [--list] [--report FILE] [--rounds N] [DRILL...]
  hosts.py --able        exit 0 where hosts can be booted; else 1, and why not

Each drill prints what the applications saw: grants, errors, the longest request; and whether a license was lost or
counted twice. Exit 1 if an application saw an error where it must not, if a license was lost or doubled, or if a request
took ten times as long as is the goal. The report is a table for docs/drills.md.
"""
import argparse
import os
import signal
import sys
import time
import traceback
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import drills_disk  # noqa: E402
import drills_loss  # noqa: E402
import drills_network  # noqa: E402
import drills_planned  # noqa: E402
import drills_tls  # noqa: E402
from installing import first_install  # noqa: E402
from machines import MIRROR, run  # noqa: E402
from report import TABLE_HEAD, write_report  # noqa: E402
from site_ import Site  # noqa: E402
from watching import FLOOR, NO_GOAL, Floor, Seen, settle  # noqa: E402

DRILLS = {**drills_planned.DRILLS, **drills_loss.DRILLS, **drills_network.DRILLS, **drills_tls.DRILLS,
          **drills_disk.DRILLS}
# Those that leave other hardware or a new cluster behind come last, as they stand in DRILLS.
UPGRADES = {"rolling", "same_minute"}
SHORT = ("kill_9", "restarts", "power", "unplugged", "same_minute")


def made_packages(directory: Path) -> list[Path]:
    return [p for p in sorted(directory.glob("*.deb")) if p.name.startswith(("triad-server", "triad-tools"))]


def play(site: Site, chosen: list[str], report: Path | None) -> list[Seen]:
    """The installation, then these; what was seen goes to the report at once."""
    seen: list[Seen] = []
    for name in ["first_install", *chosen]:
        print(name, flush=True)
        begun = time.monotonic()
        try:
            if seen:
                settle(site)
            result = first_install(site) if name == "first_install" else DRILLS[name](site)
        except Exception as error:  # noqa: BLE001: a drill that fails is told, and the next one tried
            traceback.print_exc()
            result = Seen(name, "", 0, 0, 0, NO_GOAL, f"failed: {error}".splitlines()[0])
        result.name = name
        seen.append(result)
        if report:
            write_report(report, site.build / "hosts" / "rows.json", [result], ["first_install", *DRILLS])
        print(f"  {result.row()}  {'ok' if result.good() else 'NOT AS IT MUST BE'} ({time.monotonic() - begun:.0f} s)",
              flush=True)
        if name == "first_install" and not site.apps:
            break
    return seen


def unable() -> str:
    """Why hosts cannot be booted here; "" if they can."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.access("/sys/fs/cgroup", os.W_OK):
        return "control groups cannot be made"
    trials = (("ip", "netns", "add", "triad-try"), ("ip", "netns", "del", "triad-try"), ("losetup", "--find"),
              ("unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"))
    for trial in trials:
        try:
            done = run(*trial, check=False)
        except FileNotFoundError:
            continue  # ./dev hosts installs it
        if done.returncode != 0:
            return f"{' '.join(trial)}: {done.stdout.strip()}"
    try:
        urllib.request.urlopen(f"{MIRROR}/dists/bookworm/InRelease", timeout=10).close()
    except OSError as error:
        return f"{MIRROR} cannot be reached: {error}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--able", action="store_true")
    parser.add_argument("--short", action="store_true", help="only " + ", ".join(SHORT))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rounds", type=int, default=0,
                        help="how often kill_9 and power take the leader (5 times and once)")
    parser.add_argument("--report", type=Path, help="write the table there")
    parser.add_argument("drills", nargs="*")
    args = parser.parse_args()
    build = args.build.resolve()
    if args.able:
        why = unable()
        print(why, end="\n" if why else "")
        return 1 if why else 0
    if args.list:
        print("\n".join(DRILLS))
        return 0
    packages = made_packages(build / "packages")
    chosen = args.drills or (list(SHORT) if args.short else list(DRILLS))
    unknown = [name for name in chosen if name not in DRILLS]
    if unknown or os.geteuid() != 0 or not packages:
        print(f"hosts: no drill {unknown[0]}; --list names them" if unknown else
              "hosts: needs root" if packages else "hosts: no packages; run ./dev package", file=sys.stderr)
        return 2
    if UPGRADES & set(chosen):
        make = Path(__file__).resolve().parents[2] / "deploy/packages/make"
        run(str(make), str(build), str(build / "packages-newer"), "+next1")
    newer = made_packages(build / "packages-newer")
    site = Site(build, build / "hosts" / "run", packages, newer)
    site.rounds = args.rounds
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        site.build_up()
        print("three hosts are booted", flush=True)
        FLOOR.append(Floor(site.work / "floor"))
        FLOOR[0].start()
        seen = play(site, chosen, args.report)
    finally:
        (site.requests / "stop").touch()
        site.take_down()
    print("\n".join([TABLE_HEAD] + [one.row() for one in seen]))
    return 0 if all(one.good() for one in seen) else 1


if __name__ == "__main__":
    sys.exit(main())
