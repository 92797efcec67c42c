#!/usr/bin/env python3
"""The systemd units: as tight as they say, and triadd@.service the same as triadd.service but for its paths.

  units_test.py --root DIR
"""
import argparse
import difflib
import re
import shutil
import subprocess
import sys
from pathlib import Path

EXPOSURE_MAX = 1.5
# Lines that may differ, without the instance's part of their paths.
INSTANCE_ONLY = ("Alias=",)


def settings(text: str) -> list[str]:
    joined = text.replace("\\\n", "")
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [line for line in lines if not line.startswith(("ExecStart=",) + INSTANCE_ONLY)]


def check_same(units: Path) -> list[str]:
    one = settings((units / "triadd.service").read_text())
    many = [line.replace("/%i", "").replace(" %i", "") for line in settings((units / "triadd@.service").read_text())]
    return [line for line in difflib.unified_diff(one, many, "triadd.service", "triadd@.service", lineterm="", n=0)]


def exposure(unit: Path) -> float:
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    if found is None:
        sys.exit(f"units_test: systemd-analyze security {unit} says nothing of exposure:\n{done.stdout}")
    return float(found.group(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    units = parser.parse_args().root / "deploy" / "systemd"
    if shutil.which("systemd-analyze") is None:
        sys.exit("units_test: no systemd-analyze; install the package systemd")
    failed = check_same(units)
    for line in failed:
        print(f"units_test: {line}")
    for name in ("triadd.service", "triadd@.service"):
        figure = exposure(units / name)
        print(f"units_test: {name}: exposure {figure}, at most {EXPOSURE_MAX}")
        if figure > EXPOSURE_MAX:
            failed.append(name)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
