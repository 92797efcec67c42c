#!/usr/bin/env python3
"""Writes the tables of docs/performance.md anew from what ./dev bench has written.

    tables.py [--from bench/out] [--in docs/performance.md] [--to docs/performance.md]

A table is known by the beginning of its first line, and replaced as a whole; the text around it is for people to
write. Those of a benchmark that was not run, or in part only, stay, and are told of; the status is 1 when figures are there that make no
table. Nothing but the standard library.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Callable

Rows = list[dict]
NAMES = {"triad": "Triad", "etcd": "etcd", "floor: bare chain": "bare chain",
         "floor: empty stream": "empty stream", "floor: bare streams": "bare streams"}
FAULTS = ["SIGKILL", "SIGSTOP", "cut network", "planned stop"]
CAPACITY_INFLIGHT = 256


def number(value: float) -> str:
    return f"{value:,.0f}"


def ms(us: float) -> str:
    value = us / 1e3
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.2f} ms"


def pick(rows: Rows, **where) -> Rows:
    return [row for row in rows if all(row.get(k) == v for k, v in where.items())]


def one(rows: Rows, **where) -> dict:
    found = pick(rows, **where)
    if len(found) != 1:
        raise KeyError(f"{len(found)} rows with {where}")
    return found[0]


def closed(rows: Rows) -> list[list[str]]:
    return [[NAMES[system]] + [f"{number(row['ops_per_s'])}/s, {ms(row['p50_us'])}"
                               for row in pick(rows, system=system) if "inflight" in row]
            for system in ("triad", "etcd", "floor: bare chain", "floor: empty stream")
            if pick(rows, system=system)]  # a quick run may do without etcd


def at_rates(rows: Rows) -> list[list[str]]:
    table = []
    for system in ("triad", "etcd", "floor: bare chain"):
        for row in pick(rows, system=system):
            if "rate" in row:
                capacity = one(rows, system=system, inflight=CAPACITY_INFLIGHT)["ops_per_s"]
                table.append([NAMES[system], f"{100 * row['rate'] / capacity:.0f}%", f"{number(row['rate'])}/s",
                              ms(row["p50_us"]), ms(row["p99_us"])])
    return table


def failover(rows: Rows) -> list[list[str]]:
    table = []
    for fault in FAULTS:
        for system in ("triad", "etcd"):
            for row in pick(rows, system=system, fault=fault):
                within = [100 * sum(gap <= limit for gap in row["gaps_ms"]) / row["n"] for limit in (30, 100, 300, 1000)]
                table.append([fault, NAMES[system], str(row["n"])]
                             + [f"{number(row[key])} ms" for key in ("gap_ms_p50", "gap_ms_p99", "gap_ms_max")]
                             + [f"{part:.0f} %" for part in within] + [str(row["errors"])])
    return table


def cost(row: dict) -> list[str]:
    return [number(row["size"]), f"{row['cpu_us_per_op']:.0f} us", f"{number(row['ops_per_s'])}/s"]


def times(row: dict) -> list[str]:
    return [f"{row['restart_ms'] / 1e3:.1f} s", f"{row['rejoin_ms'] / 1e3:.1f} s"]


def features(rows: Rows) -> list[list[str]]:
    return [cost(row) + times(row) for row in pick(rows, case="features")]


def sessions(rows: Rows) -> list[list[str]]:
    # Below ten thousand the daemon's memory moves more by itself, below a thousand the clock is too coarse.
    return [cost(row)
            + [f"{row['bytes_per_session'] / 1e3:.1f} kB" if row["size"] >= 10_000 else "-",
               f"{row['cpu_us_per_1000_beats'] / 1e3:.0f} ms" if row["size"] >= 1_000 else "-"]
            + times(row) for row in pick(rows, case="sessions")]


def licenses_out(rows: Rows) -> list[list[str]]:
    return [cost(row)
            + [f"{row['rss_mb']:.0f} MB",
               f"{number(row['bytes_per_checkout'])} bytes" if row["bytes_per_checkout"] > 0 else "-"]
            + times(row) for row in pick(rows, case="licenses out")]


def storm(rows: Rows) -> list[list[str]]:
    return [[NAMES[row["system"]], row["case"], number(row["connections"]), f"{row['all_back_ms'] / 1e3:.2f} s",
             number(row["held_after"]) if row["held_after"] else "-"] for row in rows]


def history(rows: Rows) -> list[list[str]]:
    return [[row["case"]] + [number(row[key]) for key in
                             ("seats", "inflight", "operations", "denied", "bursts", "undecided")] for row in rows]


def admin(rows: Rows) -> list[list[str]]:
    row = one(rows, case="lmstat -a under load")
    beside_loop = row["ops_per_s_beside"] * 100 / row["percent_of_beside_a_busy_loop"]
    costs = [row[f"leader_us_per_op_{when}"] for when in ("alone", "beside", "beside_a_busy_loop")]
    return [[f"`lmstat -a` of {number(row['licenses_out'])} checkouts, median of {row['looks']}",
             f"{number(row['look_ms_p50'])} ms"],
            ["operations a second alone, beside it asked without a pause, beside a loop that does nothing",
             ", ".join(number(n) for n in (row["ops_per_s_alone"], row["ops_per_s_beside"], beside_loop))],
            ["processor time of the leader for an operation: alone, beside it, beside a loop that does nothing",
             ", ".join(f"{us:.0f} us" for us in costs)]]


# By benchmark: how the table's first line begins, and what makes its rows.
TABLES: dict[str, list[tuple[str, Callable[[Rows], list[list[str]]]]]] = {
    "checkout": [("| operations, median time", closed), ("| at a fixed rate", at_rates)],
    "failover": [("| fault ", failover)],
    "scale": [("| features ", features), ("| sessions ", sessions), ("| licenses out ", licenses_out)],
    "storm": [("|  |  | connections", storm)],
    "history": [("|  | seats", history)],
    "admin": [("| what | figure", admin)],
}


def replaced(lines: list[str], first: str, table: list[list[str]]) -> list[str]:
    start = next((i for i, line in enumerate(lines) if line.startswith(first)), None)
    if start is None:
        raise KeyError(f"no table begins with '{first}'")
    columns = lines[start].count("|") - 1
    if any(len(row) != columns for row in table):
        raise KeyError(f"the table '{first}' has {columns} columns, its rows have {sorted({len(r) for r in table})}")
    end = start + 2
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    if len(table) < end - start - 2:
        print(f"tables.py: the table '{first}' has {end - start - 2} rows, now there are {len(table)}: a part was not run, it "
              "stays as it is", file=sys.stderr)
        return lines
    return lines[:start + 2] + ["| " + " | ".join(row) + " |" for row in table] + lines[end:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", type=Path, default=Path("bench/out"))
    parser.add_argument("--in", dest="document", type=Path, default=Path("docs/performance.md"))
    parser.add_argument("--to", dest="target", type=Path, help="where the document is written; as --in")
    options = parser.parse_args()
    failed = 0
    lines = options.document.read_text().splitlines()
    for name, tables in TABLES.items():
        path = options.source / f"{name}.json"
        if not path.is_file():
            print(f"tables.py: {path} is not there: its tables stay as they are", file=sys.stderr)
            continue
        rows = json.loads(path.read_text())["rows"]
        for first, make in tables:
            try:
                lines = replaced(lines, first, make(rows))
            except (KeyError, ZeroDivisionError) as error:
                print(f"tables.py: {path}: {error.args[0]}: its table '{first}' stays as it is", file=sys.stderr)
                failed = 1
    (options.target or options.document).write_text("\n".join(lines) + "\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
