"""What the programs say of themselves with --help, as data: for completion and for the test of the man pages."""
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Verb:
    name: str
    takes: str
    does: str
    flags: list[str] = field(default_factory=list)  # "--json", "--watch=", "-f"


def run(*command: str) -> str:
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout


def flags_of(takes: str) -> list[str]:
    """Flags as a shell completes them: with = where a value may follow."""
    found: list[str] = []
    for match in re.finditer(r"(?<![\w-])(--?[a-zA-Z][a-zA-Z-]*)(\[?=)?", takes):
        name = match.group(1) + ("=" if match.group(2) == "=" else "")
        if name not in found:
            found.append(name)
    return found


def tool_verbs(bin_dir: Path) -> list[Verb]:
    """`triad help`: a verb begins at two spaces, goes on at eight; what it does is the last of those lines."""
    verbs: list[Verb] = []
    for line in run(str(bin_dir / "triad"), "help").splitlines():
        head = re.match(r"  ([a-z][a-z-]*)( .*)?$", line)
        if head:
            verbs.append(Verb(head.group(1), (head.group(2) or "").strip(), ""))
        elif line.startswith("        ") and verbs:
            if verbs[-1].does:
                verbs[-1].takes += " " + verbs[-1].does
            verbs[-1].does = line.strip()
        elif verbs:
            break
    for verb in verbs:
        verb.flags = flags_of(verb.takes)
    return verbs


def daemon_flags(bin_dir: Path) -> list[tuple[str, str]]:
    """`triadd --help`: flags, as --name=VALUE, with what they do."""
    flags: list[tuple[str, str]] = []
    for line in run(str(bin_dir / "triadd"), "--help").splitlines():
        if re.match(r"  --[a-z]", line):
            flags.append((line.strip(), ""))
        elif line.startswith("        ") and flags and not flags[-1][1]:
            flags[-1] = (flags[-1][0], line.strip())
    return flags


DAEMON_VERBS = ("init", "rejoin", "recover", "restore")
# What every verb of triad takes beside its own flags.
COMMON_FLAGS = ("-c", "--insecure", "--help")
