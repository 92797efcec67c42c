"""The table in docs/drills.md."""
import json
import os
import time
from pathlib import Path

from watching import HELD, Seen

TABLE_HEAD = ("| drill | what was done | grants | errors | longest request | goal | floor | kept, none lost or doubled | |\n"
              "|---|---|---:|---:|---:|---:|---:|---|---|")


def write_report(report: Path, rows_file: Path, seen: list[Seen], order: list[str]) -> None:
    """The rows of this run, and those of earlier runs of drills that this one did not play. order: of all drills."""
    rows: dict[str, str] = json.loads(rows_file.read_text()) if rows_file.exists() else {}
    rows |= {one.name: one.row() for one in seen}
    rows_file.write_text(json.dumps(rows))
    report.write_text(
        "# What happened to three hosts\n\n"
        f"Made by `./dev hosts` on {time.strftime('%Y-%m-%d')}: three Debian systems, booted in containers on one machine "
        f"with {os.cpu_count()} processors, and\nthree applications that hold {HELD} licenses and take and return others all "
        "the time, over TLS where it does not say\notherwise. The longest request is what an application waited for one "
        "checkout and its return; the floor is how\nlong this machine took for one small write and sync of its own at worst "
        "meanwhile. Ten times the goal and the\nfloor fail the run, and so do an error (where two hosts were up) and a "
        "license that was lost or counted twice. `--rounds 100 kill_9 power` takes the leader a hundred times.\n\n"
        + "\n".join([TABLE_HEAD, *(rows[name] for name in order if name in rows)]) + "\n")
