#!/usr/bin/env python3
"""Man pages and completion name what the programs name with --help: every verb, every flag, and no others.

  words_test.py --root DIR --bin DIR
"""
import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "deploy" / "packages"))
import program_help  # noqa: E402

complaints: list[str] = []


def require(holds: bool, complaint: str) -> None:
    if not holds:
        complaints.append(complaint)


def page(pages: Path, name: str) -> str:
    """A page's words, without scdoc's marks."""
    text = (pages / f"{name}.scd").read_text()
    return re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)[*]", "", text))


def entries(text: str, heading: str) -> dict[str, str]:
    """What is described under a heading: the name, and its line with the text below it."""
    body = re.split(r"^# ", text, flags=re.M)
    found: dict[str, str] = {}
    for part in body:
        if part.startswith(heading + "\n"):
            for match in re.finditer(r"^([a-z-][^\s=\[]*)([^\n]*)\n\t", part, flags=re.M):
                found[match.group(1)] = match.group(1) + match.group(2)
    return found


def check_tool(pages: Path, bin_dir: Path) -> None:
    verbs = program_help.tool_verbs(bin_dir)
    text = page(pages, "triad.1")
    described = entries(text, "VERBS") | entries(text, "FLEXNET'S VERBS")
    require(len(verbs) > 10, "triad help names hardly any verb: has its layout changed?")
    for verb in verbs:
        line = described.get(verb.name)
        require(line is not None, f"triad.1 does not describe the verb {verb.name}")
        if line is not None:
            require(line.split() == [verb.name, *verb.takes.split()],
                    f"triad.1 says that {verb.name} takes other things than --help: {verb.takes}")
    for name in described:
        require(name in {verb.name for verb in verbs}, f"triad.1 describes {name}, which is no verb")
    flexnet = entries(page(pages, "triad-flexnet.1"), "TOOLS")
    for link in sorted(bin_dir.glob("lm*")):
        if link.name != "lmutil":  # described in words
            require(link.name in flexnet, f"triad-flexnet.1 does not describe {link.name}")


def check_daemon(pages: Path, bin_dir: Path) -> None:
    flags = {flag.split("=")[0] for flag, _ in program_help.daemon_flags(bin_dir)}
    described = set(entries(page(pages, "triadd.8"), "FLAGS"))
    require(len(flags) > 10, "triadd --help names hardly any flag: has its layout changed?")
    for flag in sorted(flags - described):
        complaints.append(f"triadd.8 does not describe {flag}")
    for flag in sorted(described - flags):
        complaints.append(f"triadd.8 describes {flag}, which is no flag")
    for verb in program_help.DAEMON_VERBS:
        require(f"\n{verb}\n\t" in page(pages, "triadd.8"), f"triadd.8 does not describe triadd {verb}")


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    line = f"""source {script}
COMP_WORDS=({' '.join(f"'{word}'" for word in words)})
COMP_CWORD={len(words) - 1}
_{words[0]}
printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "--norc", "-c", line], text=True, capture_output=True, check=False)
    return done.stdout.split()


def check_completion(root: Path, bin_dir: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        made = subprocess.run([sys.executable, "-B", str(root / "deploy/packages/completion.py"), "--bin", str(bin_dir),
                               "--out", directory], check=False)
        require(made.returncode == 0, "completion.py failed")
        script = Path(directory) / "triad"
        verbs = program_help.tool_verbs(bin_dir)
        require(completed(script, "triad", "") == [verb.name for verb in verbs], "triad TAB does not offer the verbs")
        require(completed(script, "triad", "-c", "file", "stat") == ["status"], "triad -c FILE stat TAB is not status")
        require(completed(script, "triad", "status", "--ch") == ["--check"], "triad status --ch TAB is not --check")
        require(completed(script, "triadd", "re") == ["rejoin", "recover", "restore"], "triadd re TAB offers something else")
        require(completed(script, "triadd", "--accept") == ["--accept-loss"], "triadd --accept TAB offers other things")
        for verb in verbs:
            offered = completed(script, "triad", verb.name, "-")
            for flag in verb.flags:
                require(flag in offered, f"triad {verb.name} - TAB does not offer {flag}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--bin", type=Path, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        made = subprocess.run([sys.executable, "-B", str(args.root / "deploy/packages/man.py"), "--bin", str(args.bin),
                               "--out", directory, "--source"], check=False)
        require(made.returncode == 0, "man.py failed")
        check_tool(Path(directory), args.bin)
        check_daemon(Path(directory), args.bin)
        for source in Path(directory).glob("*.scd"):
            require(re.search(r"@[A-Z]+@", source.read_text()) is None, f"{source.name}: a mark was not filled in")
            if shutil.which("scdoc"):
                read = subprocess.run(["scdoc"], stdin=open(source), capture_output=True, text=True, check=False)
                require(read.returncode == 0, f"{source.name}: {read.stderr.strip()}")
    check_completion(args.root, args.bin)
    for complaint in complaints:
        print(f"words_test: {complaint}")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
