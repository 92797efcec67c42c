#!/usr/bin/env python3
"""Known bugs, compiled in one at a time: a check that does not find them proves nothing.

    mutants.py run [--sim K] [--through COMMAND] [NAME...]       what ./dev mutants does
    mutants.py apply NAME DIR                                    writes the mutated files below DIR (CMake calls this)
    mutants.py check                                             the table itself, a test of ctest

A mutant is a file NN-name.mutant beside this one:

    origin: who had this bug, or what invites it
    broken: one sentence
    check: PROGRAM GTEST-FILTER       a test program, or:
    check: sim [OPTIONS]              the simulator
    seeds: K                          the budget; absent: the check draws none
    file: PATH                        then the text that stands there exactly once, and what replaces it;
    --- old                           several of file, old and new may follow one another
    ...
    --- new
    ...
    --- end

or, for one that does not apply, origin, broken and `does not apply: REASON`. Product code knows nothing of all this: CMake
compiles the mutated copy in place of the source (cmake/TriadMutant.cmake).
"""

import argparse
import concurrent.futures
import contextlib
import fnmatch
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Each check ends by then: a mutant may as well hang. The clean program gets more, because it runs every budget to its end.
CHECK_SECONDS_MAX = 600
CLEAN_SECONDS_MAX = 1200
SIMULATOR = "sim"
SIMULATOR_PROGRAM = "simulate"
# Unmutated, but in a tree that is ready for mutants.
NONE = "none"


class Wrong(Exception):
    """What is wrong with the table or the tree, for the user."""


@dataclass
class Change:
    path: str
    old: str = ""
    new: str = ""


@dataclass
class Mutant:
    number: str
    name: str
    origin: str = ""
    broken: str = ""
    reason: str = ""  # why it does not apply
    check: list[str] = field(default_factory=list)
    seeds: int = 0
    changes: list[Change] = field(default_factory=list)

    @property
    def program(self) -> str:
        return SIMULATOR_PROGRAM if self.check[0] == SIMULATOR else self.check[0]

    def headers(self) -> set[str]:
        return {change.path for change in self.changes if change.path.endswith(".h")}

    def title(self) -> str:
        return f"{self.number} {self.name}"


# ---------------------------------------------------------------------------------------------------------------------
# The table

def read_mutant(path: Path) -> Mutant:
    number, _, name = path.stem.partition("-")
    mutant = Mutant(number, name)
    text: list[str] | None = None  # where lines go while inside old or new
    section = ""
    for line_number, line in enumerate(path.read_text().splitlines(), 1):
        if line in ("--- old", "--- new", "--- end"):
            if not mutant.changes:
                raise Wrong(f"{path.name}:{line_number}: say which file first")
            change = mutant.changes[-1]
            if text is not None:
                setattr(change, section, "\n".join(text))
            section = line[4:]
            text = None if section == "end" else []
            continue
        if text is not None:
            text.append(line)
            continue
        key, colon, value = line.partition(":")
        value = value.strip()
        if not line.strip() or line.startswith("#"):
            continue
        if not colon or key not in ("origin", "broken", "does not apply", "check", "seeds", "file"):
            raise Wrong(f"{path.name}:{line_number}: not understood: {line}")
        if key == "does not apply":
            mutant.reason = value
        elif key == "check":
            mutant.check = value.split()
        elif key == "seeds":
            mutant.seeds = int(value)
        elif key == "file":
            mutant.changes.append(Change(value))
        else:
            setattr(mutant, key, value)
    if text is not None:
        raise Wrong(f"{path.name}: --- end is missing")
    return mutant


def read_table() -> list[Mutant]:
    return [read_mutant(path) for path in sorted(HERE.glob("*.mutant"))]


def find(table: list[Mutant], name: str) -> Mutant:
    for mutant in table:
        if name in (mutant.name, mutant.number, f"{mutant.number}-{mutant.name}"):
            return mutant
    raise Wrong(f"no mutant {name}; tests/mutants lists them")


def mutated(mutant: Mutant) -> dict[str, str]:
    """Path -> text with all changes made. Raises Wrong if an old text does not stand there exactly once."""
    texts: dict[str, str] = {}
    for change in mutant.changes:
        source = ROOT / change.path
        if not source.is_file():
            raise Wrong(f"{mutant.title()}: {change.path} is not there")
        text = texts.get(change.path) or source.read_text()
        count = text.count(change.old) if change.old else 0
        if count != 1:
            raise Wrong(f"{mutant.title()}: its old text stands {count} times in {change.path}, not once: "
                        f"write the mutant anew for the code as it is now")
        if change.old == change.new:
            raise Wrong(f"{mutant.title()}: changes nothing in {change.path}")
        texts[change.path] = text.replace(change.old, change.new)
    return texts


def apply(name: str, directory: Path) -> None:
    """Leaves exactly the mutated files below `directory`, and prints their paths, separated by semicolons."""
    texts = {} if name == NONE else mutated(find(read_table(), name))
    directory.mkdir(parents=True, exist_ok=True)
    for path in [path for path in directory.rglob("*") if path.is_file()]:
        if path.relative_to(directory).as_posix() not in texts:
            path.unlink()
    for relative, text in texts.items():
        path = directory / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        # With its line numbers, so that a debugger and the compiler show the place.
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
    print(";".join(sorted(texts)), end="")


TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", re.MULTILINE)


def complaints(table: list[Mutant]) -> list[str]:
    """What is wrong with the table: mutants must not rot while the code goes on."""
    wrong = []
    folders = ("license", "quorum", "storage", "server", "client", "cli", "tests")
    tests = [f"{match[1]}.{match[2]}" for folder in folders for path in (ROOT / folder).rglob("*_test.cc")
             for match in TEST.finditer(path.read_text())]
    seen: dict[str, str] = {}
    for mutant in table:
        if mutant.number in seen or mutant.name in seen.values():
            wrong.append(f"{mutant.title()}: number or name is taken")
        seen[mutant.number] = mutant.name
        if not mutant.origin or not mutant.broken:
            wrong.append(f"{mutant.title()}: say origin and what is broken")
        if mutant.reason:
            if mutant.changes or mutant.check:
                wrong.append(f"{mutant.title()}: does not apply, but has a check or changes")
            continue
        if not mutant.changes or not mutant.check:
            wrong.append(f"{mutant.title()}: has no change or no check")
            continue
        try:
            mutated(mutant)
        except Wrong as error:
            wrong.append(str(error))
        if mutant.check[0] == SIMULATOR:
            if not mutant.seeds:
                wrong.append(f"{mutant.title()}: the simulator needs a budget of seeds")
            continue
        if len(mutant.check) != 2:
            wrong.append(f"{mutant.title()}: check is PROGRAM FILTER")
            continue
        for one in mutant.check[1].split(":"):
            if not fnmatch.filter(tests, one):
                wrong.append(f"{mutant.title()}: no test is called {one}")
    return wrong


# ---------------------------------------------------------------------------------------------------------------------
# Building and running

class Tree:
    """One build tree, in which the mutants come and go."""

    def __init__(self, build: Path, through: list[str]):
        self.build = build
        self.through = through

    def configure(self, name: str) -> None:
        # All folders that tests need; no debug information and little optimisation: it is compiled far more than run.
        command = ["cmake", "-S", str(ROOT), "-B", str(self.build), "-G", "Ninja", f"-DTRIAD_MUTANT={name}",
                   "-DCMAKE_BUILD_TYPE=Mutants", "-DCMAKE_CXX_FLAGS=-O1",
                   "-DTRIAD_FOLDERS=license;quorum;storage;client;server;tests"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Wrong(f"cannot configure {self.build}:\n{done.stdout}{done.stderr}")

    def forget_headers(self, mutant: Mutant) -> None:
        """A mutated header comes before the one that the objects were made from: what read that is made anew."""
        headers = mutant.headers()
        if not headers:
            return
        deps = subprocess.run(["ninja", "-C", str(self.build), "-t", "deps"], capture_output=True, text=True).stdout
        for block in deps.split("\n\n"):
            lines = block.splitlines()
            if lines and any(line.strip().endswith(f"/{header}") for line in lines[1:] for header in headers):
                (self.build / lines[0].split(":")[0]).unlink(missing_ok=True)

    def compile(self, programs: list[str], cached: bool = True) -> str:
        """"" or what the compiler says. Not `cached` when a header is mutated: ccache does not see that there is a new
        file in front of one that it knows."""
        environment = os.environ | ({} if cached else {"CCACHE_DISABLE": "1"})
        done = subprocess.run(self.through + ["ninja", "-C", str(self.build), *programs],
                              capture_output=True, text=True, env=environment)
        return "" if done.returncode == 0 else done.stdout[-3000:] + done.stderr

    def take(self, program: str, name: str) -> Path:
        """A copy of a program that stays as it is when the next mutant is compiled."""
        source = self.build / "tests" / program
        if not source.is_file():
            source = self.build / "bin" / program
        target = self.build / "run" / f"{name}-{program}"
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(source, target)
        return target


@dataclass
class Result:
    found: bool
    text: str
    output: str = ""


FAILED_TEST = re.compile(r"^\[  FAILED  \] (\w+\.\w+)", re.MULTILINE)
RAN_NONE = re.compile(r"^\[==========\] (?:Running )?0 tests", re.MULTILINE)
SEED = re.compile(r"(?:TRIAD_SEED=|\bseed[ =])(\d+)")
SIMULATOR_FOUND = re.compile(r"^seed \d+ FAILED|aborted in seed")


def output_of(command: list[str], environment: dict[str, str], stop_at: re.Pattern | None,
              seconds_max: int) -> tuple[int | None, str]:
    """Exit status (None: no end in time) and output, or as much of it as there is when a line matches `stop_at`."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               cwd=ROOT, env=environment, start_new_session=True)
    late = threading.Event()

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def give_up() -> None:
        late.set()
        end()

    watchdog = threading.Timer(seconds_max, give_up)
    watchdog.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if stop_at and stop_at.search(line):
            end()
            break
    status = process.wait()
    watchdog.cancel()
    process.stdout.close()
    return None if late.is_set() else status, "".join(lines)


def run_check(program: Path, check: list[str], seeds: int, through: list[str],
              seconds_max: int = CHECK_SECONDS_MAX) -> Result:
    environment = dict(os.environ)
    simulated = check[0] == SIMULATOR
    if simulated:
        command = [str(program), "--jobs", "1", "--seeds", str(seeds), *check[1:]]
    else:
        command = [str(program), f"--gtest_filter={check[1]}", "--gtest_brief=1", "--gtest_fail_fast"]
        if seeds:
            environment.update(TRIAD_SEED="1", TRIAD_SEEDS=str(seeds))
    start = time.monotonic()
    status, output = output_of(through + command, environment, SIMULATOR_FOUND if simulated else None, seconds_max)
    seconds = f"{time.monotonic() - start:.0f} s"
    if status is None:
        return Result(False, f"no end after {seconds_max} s", output)
    if RAN_NONE.search(output):
        raise Wrong(f"{' '.join(check)}: no test has that name")
    if status == 0:
        budget = f"{seeds} seeds, " if seeds else ""
        return Result(False, f"{' '.join(check)} finds nothing ({budget}{seconds})", output)
    test = FAILED_TEST.search(output)
    where = SIMULATOR if simulated else f"{check[0]} {test[1] if test else check[1]}"
    seed = SEED.search(output) if seeds else None
    if not seed:
        return Result(True, f"found by {where} ({seconds})", output)
    return Result(True, f"found by {where} at seed {seed[1]} ({seeds} seeds, {seconds})", output)


def run_clean(tree: Tree, mutants: list[Mutant]) -> None:
    """The same checks with nothing broken: if one of them fails, what it finds is worth nothing."""
    budgets: dict[tuple[str, ...], int] = {}
    programs = {}
    for mutant in mutants:
        check = tuple(mutant.check)
        budgets[check] = max(budgets.get(check, 0), mutant.seeds)
        programs[check] = mutant.program
    if said := tree.compile(sorted(set(programs.values()))):
        raise Wrong(f"the unmutated tree does not build:\n{said}")
    copies = {program: tree.take(program, NONE) for program in set(programs.values())}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = {check: pool.submit(run_check, copies[programs[check]], list(check), seeds, tree.through, CLEAN_SECONDS_MAX)
                for check, seeds in budgets.items()}
        for check, run in runs.items():
            result = run.result()
            if result.found or result.text.startswith("no end"):
                raise Wrong(f"without a mutant, {' '.join(check)} fails already:\n{result.output[-3000:]}")
    print(f"without a mutant: {len(budgets)} checks are clean", flush=True)


def run(names: list[str], build: Path, through: list[str], simulated_seeds: int | None, skip_clean: bool) -> int:
    table = read_table()
    chosen = [find(table, name) for name in names] if names else table
    for mutant in chosen if simulated_seeds else []:
        mutant.check, mutant.seeds = [SIMULATOR], simulated_seeds
    if wrong := complaints(chosen):
        raise Wrong("\n".join(wrong))
    applying = [mutant for mutant in chosen if not mutant.reason]
    tree = Tree(build, through)
    tree.configure(NONE)
    if not skip_clean:
        run_clean(tree, applying)
    failed = []
    logs = build / "logs"
    logs.mkdir(exist_ok=True)

    def finish(mutant: Mutant, run: concurrent.futures.Future) -> None:
        result = run.result()
        (logs / f"{mutant.number}-{mutant.name}").write_text(result.output)
        if not result.found:
            failed.append(mutant)
        print(f"{mutant.title()}: {result.text if result.found else 'NOT FOUND: ' + result.text}", flush=True)

    # While one is checked the next is compiled.
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        under_way: list[tuple[Mutant, Path, concurrent.futures.Future]] = []
        for mutant in sorted(applying, key=lambda each: each.changes[0].path):
            tree.configure(mutant.name)
            tree.forget_headers(mutant)
            if said := tree.compile([mutant.program], cached=not mutant.headers()):
                raise Wrong(f"{mutant.title()} does not build:\n{said}")
            copy = tree.take(mutant.program, mutant.name)
            tree.forget_headers(mutant)
            under_way.append((mutant, copy, pool.submit(run_check, copy, mutant.check, mutant.seeds, through)))
            if len(under_way) > 1:
                done, binary, result = under_way.pop(0)
                finish(done, result)
                binary.unlink()
        for done, binary, result in under_way:
            finish(done, result)
            binary.unlink()
    tree.configure(NONE)
    for mutant in chosen:
        if mutant.reason:
            print(f"{mutant.title()}: does not apply: {mutant.reason}")
    print(f"found {len(applying) - len(failed)} of {len(applying)}")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    runs = verbs.add_parser("run")
    runs.add_argument("--build", type=Path, default=ROOT / "build" / "mutants")
    runs.add_argument("--sim", type=int, metavar="K", help="not by their own checks, but by K seeds of the simulator")
    runs.add_argument("--skip-clean", action="store_true", help="take it as known that the checks are clean")
    runs.add_argument("--through", type=shlex.split, default=[], help="run builds and checks through this command")
    runs.add_argument("names", nargs="*")
    applies = verbs.add_parser("apply")
    applies.add_argument("name")
    applies.add_argument("directory", type=Path)
    verbs.add_parser("check")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "apply":
            apply(arguments.name, arguments.directory)
            return 0
        if arguments.verb == "check":
            wrong = complaints(read_table())
            print("\n".join(wrong), end="\n" if wrong else "")
            return 1 if wrong else 0
        return run(arguments.names, arguments.build.resolve(), arguments.through, arguments.sim,
                   arguments.skip_clean)
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
