#!/usr/bin/env python3
"""Draws docs/performance/*.svg from what ./dev bench has written.

    plots.py [--from bench/out] [--to docs/performance]

Lines of one measure over another, both logarithmic; a plot whose figures are not there is left out and told of.
Nothing but the standard library.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import NamedTuple

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 40, 50
# Told apart also without colours: by the marks and by the names at the lines' ends.
STYLES = [("#1b6ca8", "circle"), ("#c8553d", "square"), ("#588157", "diamond"), ("#7a5195", "circle"),
          ("#8d99ae", "square")]


class Line(NamedTuple):
    name: str
    points: list[tuple[float, float]]


class Plot(NamedTuple):
    file: str
    title: str
    x: str
    y: str
    lines: list[Line]


def rows_of(directory: Path, name: str) -> list[dict]:
    path = directory / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.is_file() else []


def line(rows: list[dict], name: str, x: str, y: str, **where) -> Line:
    points = [(row[x], row[y]) for row in rows
              if x in row and row.get(y, 0) > 0 and all(row.get(k) == v for k, v in where.items())]
    return Line(name, sorted(points))


def gaps(rows: list[dict], name: str, **where) -> Line:
    """How many of a hundred rounds were served again within so many milliseconds; at most 20 marks."""
    points = []
    for row in rows:
        if "gaps_ms" in row and all(row.get(k) == v for k, v in where.items()):
            times = sorted(row["gaps_ms"])
            step = max(1, len(times) // 20)
            points += [(times[i], 100 * (i + 1) / len(times)) for i in range(len(times))
                       if times[i] > 0 and (i % step == 0 or i == len(times) - 1)]
    return Line(name, sorted(points))


def plots_of(directory: Path) -> list[Plot]:
    checkout = rows_of(directory, "checkout")
    systems = [("floor: empty stream", "empty gRPC stream"), ("floor: bare chain", "bare chain"), ("triad", "Triad"),
               ("etcd", "etcd")]

    def over_inflight(y: str) -> list[Line]:
        return [line(checkout, name, "inflight", y, system=system) for system, name in systems]

    scale = rows_of(directory, "scale")
    sizes = [line(scale, name, "size", "cpu_us_per_op", case=name) for name in ("licenses out", "features", "sessions")]
    memory = [line(scale, "per checkout", "size", "bytes_per_checkout", case="licenses out"),
              line(scale, "per session", "size", "bytes_per_session", case="sessions")]
    rate = [line(checkout, f"{name}, {part}", "rate", f"{part}_us", system=system)
            for system, name in systems[2:] for part in ("p50", "p99")]
    failover = rows_of(directory, "failover")

    def gaps_of(*faults: str) -> list[Line]:
        return [gaps(failover, f"{name}, {fault}", system=system, fault=fault)
                for system, name in systems[2:] for fault in faults]

    return [
        Plot("failover-process", "Rounds that were served again", "milliseconds after the fault", "percent of rounds",
             gaps_of("SIGKILL", "planned stop")),
        Plot("failover-silence", "Rounds that were served again", "milliseconds after the fault", "percent of rounds",
             gaps_of("SIGSTOP", "cut network")),
        Plot("throughput", "Checkouts with their check-ins", "in flight", "operations per second",
             over_inflight("ops_per_s")),
        Plot("latency", "Median time of a checkout and its check-in", "in flight", "microseconds",
             over_inflight("p50_us")),
        Plot("open-loop", "At a fixed rate, from the intended start", "operations per second", "microseconds", rate),
        Plot("scale", "Processor time of all three daemons per operation", "how many", "microseconds", sizes),
        Plot("memory", "Memory of a daemon", "how many", "bytes", memory),
    ]


def decades(values: list[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def label(value: float) -> str:
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def mark(shape: str, x: float, y: float, colour: str) -> str:
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    turn = f' transform="rotate(45 {x:.1f} {y:.1f})"' if shape == "diamond" else ""
    return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"{turn}/>'


def spread(places: list[float], gap: float) -> list[float]:
    """The same order, no two closer than `gap`: names at the lines' ends must not overlap."""
    order = sorted(range(len(places)), key=places.__getitem__)
    out = list(places)
    for before, after in zip(order, order[1:]):
        out[after] = max(out[after], out[before] + gap)
    return out


def svg(plot: Plot) -> str:
    points = [point for one in plot.lines for point in one.points]
    x_low, x_high = decades([x for x, _ in points])
    y_low, y_high = decades([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        return (LEFT + (math.log10(x) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - (math.log10(y) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           f'font-size="12" role="img" aria-label="{plot.title}">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="22" font-size="14" font-weight="bold">{plot.title}</text>']
    for power in range(x_low, x_high + 1):
        x, bottom = at(10 ** power, 10 ** y_low)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{label(10 ** power)}</text>')
    for power in range(y_low, y_high + 1):
        left, y = at(10 ** x_low, 10 ** power)
        out.append(f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{label(10 ** power)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{plot.x}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text x="16" y="{middle:.1f}" text-anchor="middle" '
               f'transform="rotate(-90 16 {middle:.1f})">{plot.y}</text>')
    drawn = [(one, style) for one, style in zip(plot.lines, STYLES) if one.points]
    names = spread([at(*one.points[-1])[1] for one, _ in drawn], 16)
    for (one, (colour, shape)), name_y in zip(drawn, names):
        places = [at(*point) for point in one.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [mark(shape, x, y, colour) for x, y in places]
        out.append(f'<text x="{places[-1][0] + 10:.1f}" y="{name_y + 4:.1f}" fill="{colour}">{one.name}</text>')
    return "\n".join(out + ["</svg>", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--from", dest="source", type=Path, default=Path("bench/out"))
    parser.add_argument("--to", dest="target", type=Path, default=Path("docs/performance"))
    arguments = parser.parse_args()
    arguments.target.mkdir(parents=True, exist_ok=True)
    for plot in plots_of(arguments.source):
        if not any(one.points for one in plot.lines):
            print(f"plots: {plot.file}: no figures in {arguments.source}", file=sys.stderr)
            continue
        (arguments.target / f"{plot.file}.svg").write_text(svg(plot))
    return 0


if __name__ == "__main__":
    sys.exit(main())
