#!/usr/bin/env python3
"""Man pages from docs/man/*.scd. What a program says of its verbs and flags with --help is put in for @VERBS@, @FLEXNET@,
@SYNOPSIS@ and @FLAGS@, so that there is one place where it is said.

  man.py --bin DIR --out DIR            pages as man reads them; needs scdoc
  man.py --bin DIR --out DIR --source   only scdoc's sources with all put in
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import program_help  # noqa: E402

SOURCES = Path(__file__).resolve().parent.parent.parent / "docs" / "man"


def escaped(text: str) -> str:
    return re.sub(r"([\\_*~\[])", r"\\\1", text)


def sentence(text: str) -> str:
    return escaped(text[:1].upper() + text[1:]) + "."


def verbs(found: list[program_help.Verb]) -> str:
    return "\n".join(f"*{v.name}* {escaped(v.takes)}".rstrip() + f"\n\t{sentence(v.does)}\n" for v in found)


def flags(found: list[tuple[str, str]]) -> str:
    lines = []
    for flag, does in found:
        name, _, value = flag.partition("=")
        if value and not re.match(r"[A-Z]+(=|\b(?! or))", value):  # words, not a name: "a time from 1s to 24h"
            value, does = "VALUE", f"{does}: {value}"
        lines.append(f"*{name}*" + (f"={escaped(value)}" if value else "") + f"\n\t{sentence(does)}\n")
    return "\n".join(lines)


def fill(text: str, tool: list[program_help.Verb], daemon: list[tuple[str, str]]) -> str:
    flexnet = [v for v in tool if v.name.startswith("lm")]
    own = [v for v in tool if not v.name.startswith("lm")]
    return (text.replace("@VERBS@\n", verbs(own)).replace("@FLEXNET@\n", verbs(flexnet))
            .replace("@SYNOPSIS@\n", "".join(f"*{v.name}* {escaped(v.takes)}++\n" for v in flexnet))
            .replace("@FLAGS@\n", flags(daemon)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--source", action="store_true")
    args = parser.parse_args()
    tool, daemon = program_help.tool_verbs(args.bin), program_help.daemon_flags(args.bin)
    if not tool or not daemon:
        sys.exit("man: the programs' --help has no verbs or no flags; is the build whole?")
    args.out.mkdir(parents=True, exist_ok=True)
    for source in sorted(SOURCES.glob("*.scd")):
        text = fill(source.read_text(), tool, daemon)
        if args.source:
            (args.out / source.name).write_text(text)
            continue
        page = subprocess.run(["scdoc"], input=text, text=True, capture_output=True, check=False)
        if page.returncode != 0:
            sys.exit(f"man: {source.name}: {page.stderr.strip()}")
        (args.out / source.stem).write_text(page.stdout)


if __name__ == "__main__":
    main()
