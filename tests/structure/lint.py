#!/usr/bin/env python3
"""clang-tidy (.clang-tidy) over our sources, clang's thread-safety analysis over them and the tests that hold locks, as
many at once as cores.

    lint.py --root DIR --build DIR [FILE...]

Needs the build's compile_commands.json and generated headers, nothing else of it. A file that passed is not read
again until it, a header of ours that it includes, its flags, .clang-tidy or clang itself changes: build/lint/ has
an empty file per pass, named by the hash of all these. (System headers count as part of clang: a new version of
one alone is not noticed; remove build/lint/ then.) A header is read with the sources that include it; one without
a .cc of its own is also compiled alone.
"""

import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import rules

SECONDS_MAX_PER_FILE = 300
# Flags of the compile command that change what the source means; the rest is gcc's or the linker's own business.
FLAG = re.compile(r"-(?:I|D|U|std=|isystem|W(?!error|p,|l,)|f(?:no-)?exceptions|f(?:no-)?rtti)")
CLANG_FLAGS = ["-Wthread-safety", "-Wno-unknown-warning-option"]
LOCKS = re.compile(r"\b(?:absl::Mutex|ABSL_GUARDED_BY|std::(?:recursive_|shared_)?mutex)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


class Job(NamedTuple):
    path: Path
    command: list[str]
    key: str


def flags_of(entry: dict) -> list[str]:
    words = shlex.split(entry["command"])
    flags = []
    for word, following in zip(words, words[1:] + [""]):
        if word == "-isystem":
            flags += [word, following]
        elif FLAG.match(word):
            flags.append(word)
    return flags


@functools.cache
def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def includes_of(path: Path) -> list[str]:
    return INCLUDE.findall(path.read_text(encoding="utf-8", errors="replace"))


def all_included(path: Path, directories: list[Path]) -> set[Path]:
    """Our own headers that `path` includes, directly or through others; generated ones too."""
    found: set[Path] = set()
    todo = [path]
    while todo:
        for name in includes_of(todo.pop()):
            file = next((d / name for d in directories if (d / name).is_file()), None)
            if file is not None and file not in found:
                found.add(file)
                todo.append(file)
    return found


class Lint:
    def __init__(self, root: Path, build: Path):
        self.root = root
        self.passed = build / "lint"
        self.passed.mkdir(parents=True, exist_ok=True)
        entries = json.loads((build / "compile_commands.json").read_text())
        self.flags = {Path(entry["file"]).resolve(): flags_of(entry) for entry in entries}
        version = subprocess.run(["clang-tidy", "--version"], capture_output=True, text=True, check=True).stdout
        self.tool = version + digest(root / ".clang-tidy") + digest(Path(__file__))
        folders = "|".join(rules.FOLDERS)
        self.header_filter = f"^{re.escape(str(root))}/({folders})/.*\\.h$"

    def jobs(self, sources: list[rules.Source]) -> tuple[list[Job], list[str]]:
        jobs, complaints = [], []
        paths = {source.path for source in sources}
        for source in sources:
            path = self.root / source.path
            if source.is_header:
                if source.path.removesuffix(".h") + ".cc" in paths:
                    continue
                flags = self._flags_for_header(source)
                if flags is None:
                    continue
                command = ["clang++", "-fsyntax-only", "-x", "c++-header", *CLANG_FLAGS, *flags,
                           "-Wno-pragma-once-outside-header", "-Werror", str(path)]
            elif path in self.flags and source.is_test:
                # What is wrong in a test shows when it runs; clang-tidy would take as long for tests as for all else.
                # Without a lock of its own there is nothing that clang alone would see.
                if not LOCKS.search(path.read_text(encoding="utf-8", errors="replace")):
                    continue
                flags = self.flags[path]
                command = ["clang++", "-fsyntax-only", *CLANG_FLAGS, "-Werror=thread-safety", *flags, str(path)]
            elif path in self.flags:
                flags = self.flags[path]
                command = ["clang-tidy", "--quiet", f"--header-filter={self.header_filter}", str(path), "--",
                           *flags, *CLANG_FLAGS]
            else:
                complaints.append(f"{source.path}:1: lint: is in no target: add it to its folder's CMakeLists.txt")
                continue
            jobs.append(Job(path, command, self._key(path, command, flags)))
        return jobs, complaints

    def _flags_for_header(self, source: rules.Source):
        """Those of a source in the same folder; None while the folder builds nothing."""
        here = [flags for path, flags in self.flags.items()
                if path.is_relative_to(self.root / source.folder)]
        return max(here, key=len, default=None)

    def _key(self, path: Path, command: list[str], flags: list[str]) -> str:
        directories = [Path(flag[2:]) if flag.startswith("-I") else Path(flag)
                       for flag in flags if flag.startswith(("-I", "/"))]
        parts = [self.tool, " ".join(command), digest(path)]
        parts += sorted(f"{file} {digest(file)}" for file in all_included(path, directories))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def run(self, job: Job) -> tuple[Job, float, str]:
        """What it complained about, "" if it passed."""
        start = time.monotonic()
        try:
            done = subprocess.run(job.command, capture_output=True, text=True, timeout=SECONDS_MAX_PER_FILE)
            output = "" if done.returncode == 0 else done.stdout + self._errors(done.stderr)
            if done.returncode != 0 and not output:
                output = f"{job.path}: exit status {done.returncode}\n"
        except subprocess.TimeoutExpired:
            output = f"{job.path}: lint: not done after {SECONDS_MAX_PER_FILE} s\n"
        if not output:
            (self.passed / job.key).touch()
        return job, time.monotonic() - start, output.replace(f"{self.root}/", "")

    @staticmethod
    def _errors(stderr: str) -> str:
        """clang-tidy counts on stderr what it did not show; that is of no use to a reader."""
        noise = re.compile(r"^(?:\d+ warnings?.*|Suppressed .*|Use -header-filter.*|Error while processing.*|)$")
        return "".join(line + "\n" for line in stderr.splitlines() if not noise.match(line))


def findings(output: str) -> list[str]:
    """One block of lines per finding: where it is, then what was quoted with it."""
    starts = [match.start() for match in re.finditer(r"^\S+:\d+:\d+: (?:error|warning): ", output, re.MULTILINE)]
    bounds = [0] + starts + [len(output)]
    return [output[begin:end] for begin, end in zip(bounds, bounds[1:]) if begin < end]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("files", nargs="*", help="only these")
    arguments = parser.parse_args()

    root = arguments.root.resolve()
    lint = Lint(root, arguments.build.resolve())
    # Projects outside the tree, built by their test as users build theirs.
    sources = [source for source in rules.read_sources(root) if not source.path.startswith("tests/install/")]
    if arguments.files:
        wanted = {Path(file).resolve().relative_to(root).as_posix() for file in arguments.files}
        sources = [source for source in sources if source.path in wanted]
    jobs, complaints = lint.jobs(sources)
    for complaint in complaints:
        print(complaint)
    todo = [job for job in jobs if not (lint.passed / job.key).exists()]
    todo.sort(key=lambda job: -job.path.stat().st_size)  # long ones first, so that no core idles at the end

    failed, times, said = len(complaints), [], set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in concurrent.futures.as_completed([pool.submit(lint.run, job) for job in todo]):
            job, seconds, output = done.result()
            times.append((seconds, job.path.relative_to(root).as_posix()))
            failed += 1 if output else 0
            for finding in findings(output):  # what is wrong in a header is found by all who include it
                if finding not in said:
                    said.add(finding)
                    print(finding, end="", flush=True)
    slowest = ", ".join(f"{name} {seconds:.0f} s" for seconds, name in sorted(times, reverse=True)[:3])
    print(f"lint: {len(jobs)} files, {len(todo)} read, {failed} failed" + (f"; slowest: {slowest}" if times else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
