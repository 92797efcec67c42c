#!/usr/bin/env python3
"""The documents about the Genesys guide, held against the tests.

    genesys.py --root DIR           every test that docs/genesys-behaviour.md names is there, every row names one, and
                                    docs/genesys-transcripts.md shows the transcripts as the tests play them, and
                                    the code that docs/application-developers.md quotes is in the files it names
    genesys.py --root DIR --write   writes docs/genesys-transcripts.md anew

Prints "file:line: what to do" for each fault; exit status 1 if there is one.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Iterator

TABLE = "docs/genesys-behaviour.md"
SHOWN = "docs/genesys-transcripts.md"
GUIDE = "docs/application-developers.md"
TRANSCRIPTS = "tests/integration/transcripts"
NAMED = re.compile(r"`([\w./-]+_test\.cc): (\w+)\.(\w+)`")

SECTIONS = (
    ("license_check", "License Check Process"),
    ("desktop", "Genesys Desktop"),
    ("toolkit", "Genesys Desktop .NET Toolkit"),
    ("outbound", "Outbound Contact Server"),
    ("tserver", "T-Server"),
    ("callback", "Universal Callback Server"),
    ("routing", "Universal Routing Server"),
    ("interaction", "Interaction Server"),
    ("violation", "Licensing Violations"),
)

INTRODUCTION = """# The example programs play the Genesys guide

Each block is a transcript that a test plays against three real daemons (`tests/integration/genesys.h` says how to read and
write one), twice: in calm, when `! the leader is killed` is passed over, and with the leader killed there. What is seen must be
the same. Lines after `>` are typed, lines after `!` say what the test does meanwhile, all others are what the program prints.
[genesys-behaviour.md](genesys-behaviour.md) has the guide's sentences one by one. This page is written by
`tests/structure/genesys.py --write`.
"""


def check_table(root: Path) -> Iterator[str]:
    for number, line in enumerate((root / TABLE).read_text().splitlines(), 1):
        where = f"{TABLE}:{number}: "
        if not line.startswith("|") or re.match(r"\|(---|\s*the guide says)", line):
            continue
        named = NAMED.findall(line.rsplit("|", 2)[1])
        if not named:
            yield where + "name the test that shows it: `FILE: SUITE.TEST`"
        for file, suite, test in named:
            path = root / (file if "/" in file else f"tests/integration/{file}")
            if not path.exists():
                yield where + f"{file} is not there"
            elif not re.search(rf"\bTEST(?:_[FP])?\(\s*{suite},\s*{test}\)", path.read_text()):
                yield where + f"{file} has no {suite}.{test}"


def check_played(root: Path) -> Iterator[str]:
    """Every transcript is played by a test, and no test plays one that is not there."""
    played = set()
    for path in sorted((root / "tests/integration").glob("genesys_*_test.cc")):
        played |= set(re.findall(r'Play\("(\w+)"\)', path.read_text()))
    there = {path.stem for path in (root / TRANSCRIPTS).glob("*.txt")}
    for name in sorted(there - played):
        yield f"{TRANSCRIPTS}/{name}.txt:1: no genesys_*_test.cc plays it"
    for name in sorted(played - there):
        yield f"{TRANSCRIPTS}/{name}.txt:1: is played, and is not there"


def document(root: Path) -> str:
    text = INTRODUCTION
    for prefix, title in SECTIONS:
        text += f"\n## {title}\n"
        for path in sorted((root / TRANSCRIPTS).glob(f"{prefix}_*.txt")):
            text += f"\n`{path.stem}`\n```text\n{path.read_text().rstrip()}\n```\n"
    return text


def check_shown(root: Path) -> Iterator[str]:
    shown = root / SHOWN
    if not shown.exists() or shown.read_text() != document(root):
        yield f"{SHOWN}:1: differs from {TRANSCRIPTS}: run tests/structure/genesys.py --root . --write"


def check_code(root: Path) -> Iterator[str]:
    """A block of code below a file's name is in that file, word for word."""
    text = (root / GUIDE).read_text()
    for name, code in re.findall(r"^`([\w./-]+)`\n```cpp\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        path = root / name
        if not path.exists() or code not in path.read_text():
            line = text[:text.index(code)].count("\n") + 1
            yield f"{GUIDE}:{line}: {name} does not say this"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    if arguments.write:
        (root / SHOWN).write_text(document(root))
    faults = [*check_table(root), *check_played(root), *check_shown(root), *check_code(root)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
