#!/usr/bin/env python3
"""The support bundle has what helps and no secret.

  support_test.py --root DIR
"""
import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

SECRET = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI\n-----END PRIVATE KEY-----\n"
complaints: list[str] = []


def require(holds: bool, complaint: str) -> None:
    if not holds:
        complaints.append(complaint)


def bundle(script: Path, place: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(script), *more, str(place / "out.tar.gz")], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env={**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
                               "TRIAD_ETC": str(place / "etc")})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    script = parser.parse_args().root / "deploy" / "packages" / "support-bundle"
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        for name in ("etc/tls", "etc/vendors.d", "etc/options.d", "bin"):
            (place / name).mkdir(parents=True)
        (place / "etc/license.dat").write_text("SERVER lic1 ANY 27000\n")
        (place / "etc/triadd.flags").write_text("--insecure\n")
        (place / "etc/tls/node.key").write_text(SECRET)
        (place / "etc/vendors.d/v.pub").write_text("public\n")
        (place / "etc/vendors.d/v.key").write_text(SECRET)
        for program in ("triad", "systemctl", "journalctl", "timedatectl", "dpkg-query"):
            (place / "bin" / program).write_text(f'#!/bin/bash\necho "{program} $* insecure=$TRIAD_INSECURE"\n')
            (place / "bin" / program).chmod(0o755)
        done = bundle(script, place)
        require(done.returncode == 0, f"exit {done.returncode}: {done.stdout}")
        with tarfile.open(place / "out.tar.gz") as tar:
            names = {name.removeprefix("triad-support/") for name in tar.getnames()}
            texts = {m.name: tar.extractfile(m).read().decode() for m in tar.getmembers() if m.isfile()}
        for wanted in ("status.json", "who", "journal", "etc/license.dat", "etc/triadd.flags", "etc/vendors.d/v.pub"):
            require(wanted in names, f"it lacks {wanted}")
        for name, text in texts.items():
            require("PRIVATE KEY" not in text, f"there is a key in {name}")
        require("insecure=1" in texts.get("triad-support/status.json", ""), "triad was not told --insecure")
        require((place / "out.tar.gz").stat().st_mode & 0o77 == 0, "others may read it")

        require(bundle(script, place, "--no-names").returncode == 0, "--no-names failed")
        with tarfile.open(place / "out.tar.gz") as tar:
            require(not {"triad-support/who", "triad-support/journal"} & set(tar.getnames()), "--no-names names people")

        (place / "out.tar.gz").unlink()
        for secret in (SECRET, "triad-private-key v e1a0\n"):
            (place / "etc/vendors.d/v.pub").write_text(secret)
            done = bundle(script, place)
            require(done.returncode == 1 and "etc/vendors.d/v.pub" in done.stdout and not (place / "out.tar.gz").exists(),
                    f"a key that stands where none belongs was taken: {done.stdout}")
    for complaint in complaints:
        print(f"support_test: {complaint}")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
