#!/usr/bin/env python3
"""The shape of the tree, held by a test: what each folder may include and link, and the house's tidy rules.

    rules.py --root DIR                             the text of the sources
    rules.py --root DIR --build DIR                 and what the targets link
    rules.py --root DIR --build DIR --symbols       and what the built libraries call

Prints "file:line: rule: what to do" for each violation; exit status 1 if there is one. A line that must break a
textual rule says so itself, on the same line or the one above: "// allow(RULE): reason".

What it is not: a parser. It reads words and knows comments and strings; what needs types is clang-tidy's
(lint.py). That a header compiles alone is shown by its own .cc, which must include it first; lint.py compiles
those that have none.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

PRODUCT_FOLDERS = ("license", "quorum", "storage", "server", "client", "cli")
FOLDERS = PRODUCT_FOLDERS + ("tests", "bench")
PURE_FOLDERS = ("license", "quorum")

LINE_COLUMNS_MAX = 100
FILE_LINES_MAX = 900


class Violation(NamedTuple):
    path: str
    line: int
    rule: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.advice}"


# ---------------------------------------------------------------------------------------------------------------------
# Source files

TOKEN = re.compile(
    r'(?P<raw>R"(?P<delimiter>[^\s()\\]{0,16})\(.*?\)(?P=delimiter)")'
    r"|(?P<line_comment>//[^\n]*)"
    r"|(?P<block_comment>/\*.*?\*/)"
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+')",
    re.DOTALL,
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
ALLOW = re.compile(r"//\s*allow\(([\w-]+)\):\s*\S")


class Source:
    """One .h or .cc: its lines as written, and the same lines without comments and without what strings say."""

    def __init__(self, root: Path, path: Path):
        self.path = path.relative_to(root).as_posix()
        self.folder = self.path.split("/")[0]
        self.is_header = path.suffix == ".h"
        self.is_test = self.folder == "tests" or bool(re.search(r"^test_|_test$|_testing$", path.stem))
        text = path.read_text(encoding="utf-8", errors="replace")
        self.lines = text.splitlines()
        self.raw_string_lines: set[int] = set()
        self.code = self._strip(text).splitlines()
        self.includes: list[tuple[int, str, str]] = []  # line, < or ", name
        for number, (line, code) in enumerate(zip(self.lines, self.code), 1):
            match = INCLUDE.match(line)
            if match and "#" in code:
                self.includes.append((number, match[1], match[2]))

    def _strip(self, text: str) -> str:
        def blank(match: re.Match) -> str:
            if match["raw"]:
                first = text.count("\n", 0, match.start()) + 1
                self.raw_string_lines.update(range(first, first + match[0].count("\n") + 1))
            quotes = '""' if match["raw"] or match["string"] else "''" if match["char"] else ""
            return quotes + "\n" * match[0].count("\n")

        return TOKEN.sub(blank, text)

    def allows(self, rule: str, line: int) -> bool:
        for number in (line, line - 1):
            if 1 <= number <= len(self.lines):
                match = ALLOW.search(self.lines[number - 1])
                if match and match[1] == rule:
                    return True
        return False


def read_sources(root: Path) -> list[Source]:
    paths = [p for folder in FOLDERS for p in (root / folder).rglob("*") if p.suffix in (".h", ".cc")]
    return [Source(root, path) for path in sorted(paths)]


# ---------------------------------------------------------------------------------------------------------------------
# Words that may not be written, and where

class Ban(NamedTuple):
    rule: str
    pattern: re.Pattern
    advice: str
    applies: object  # Source -> bool


def pure(source: Source) -> bool:
    return source.folder in PURE_FOLDERS and not source.is_test


def product(source: Source) -> bool:
    return source.folder in PRODUCT_FOLDERS and not source.is_test


def library(source: Source) -> bool:
    return source.folder in ("license", "quorum", "storage", "client") and not source.is_test


# Our own code uses absl::string_view; the public headers and what stands behind them speak the standard library's.
def inside(source: Source) -> bool:
    return source.folder != "client"


# A call by its name alone: not part of a longer name, not a member, not another namespace's.
def call(names: str) -> str:
    return rf"(?<![\w.>:])(?:std::|::)?(?:{names})\s*\("


BANS = (
    Ban("pure-include",
        re.compile(r"#\s*include\s*[<\"](?:thread|mutex|shared_mutex|condition_variable|future|atomic|chrono|ctime|"
                   r"random|fstream|filesystem|iostream|(?:time|unistd|fcntl|poll|pthread)\.h|"
                   r"(?:sys|netinet|arpa|grpcpp|grpc|rocksdb|absl/(?:time|synchronization|random))/[^>\"]*|"
                   r"[^>\"]*\.grpc\.pb\.h)[>\"]"),
        "license/ and quorum/ have no thread, clock, socket, file or randomness: have the caller hand in what it gives",
        pure),
    Ban("pure-call",
        re.compile(r"\b(?:system_clock|steady_clock|high_resolution_clock|random_device)\b|\babsl::(?:Now|Mutex)\b|"
                   + call("time|rand|srand|random|getenv|gettimeofday|clock_gettime|getrandom|RAND_bytes")),
        "the same inputs must give the same result on every node: take time and chance as arguments",
        pure),
    Ban("unordered",
        re.compile(r"\b(?:unordered_(?:multi)?(?:map|set)|flat_hash_(?:map|set)|node_hash_(?:map|set))\b"),
        "use std::map or absl::btree_map: an order that differs between nodes must not be able to matter",
        pure),
    Ban("string-view",
        re.compile(r"\bstd::string_view\b|#\s*include\s*<string_view>"),
        "use absl::string_view: Debian's Abseil does not take the std one",
        inside),
    Ban("exception",
        re.compile(r"\bthrow\b|\bcatch\s*\("),
        "no exceptions inside or across our interfaces: return absl::Status",
        product),
    Ban("print",
        re.compile(r"\bstd::(?:cout|cerr|clog)\b|#\s*include\s*<iostream>|" + call("printf|puts|putchar|perror")),
        "a library prints nothing: return a Status, or hand the line to the one who logs",
        library),
    Ban("end-process",
        re.compile(call("abort|exit|_exit|quick_exit|terminate")),
        "a library does not end the process: return a Status; a programming error is CHECKed (check.h)",
        lambda s: library(s) and not s.path.endswith("/check.h")),
    Ban("rand",
        re.compile(call("rand|srand|random_shuffle|drand48")),
        "use the generator that you are handed; in a test one with a printed seed",
        lambda s: not pure(s)),
    Ban("sleep",
        re.compile(r"\bsleep_(?:for|until)\b|\babsl::SleepFor\b|" + call("sleep|usleep|nanosleep")),
        "wait for a condition, never for a duration; the one polling helper says // allow(sleep): reason",
        lambda s: s.is_test),
    Ban("unsafe-call",
        re.compile(call("strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof")),
        "use absl::StrCat, absl::StrFormat, absl::StrSplit or absl::SimpleAtoi",
        lambda s: True),
)


def check_bans(sources: list[Source]) -> Iterator[Violation]:
    for source in sources:
        bans = [ban for ban in BANS if ban.applies(source)]
        for number, code in enumerate(source.code, 1):
            if "#" in code and INCLUDE.match(source.lines[number - 1]):
                code = source.lines[number - 1].split("//")[0]
            for ban in bans:
                if ban.pattern.search(code) and not source.allows(ban.rule, number):
                    yield Violation(source.path, number, ban.rule, ban.advice)


# ---------------------------------------------------------------------------------------------------------------------
# The form of a file

def check_form(sources: list[Source]) -> Iterator[Violation]:
    for source in sources:
        for number, line in enumerate(source.lines, 1):
            if len(line) > LINE_COLUMNS_MAX and number not in source.raw_string_lines:
                yield Violation(source.path, number, "line-length",
                                f"{len(line)} columns; break it at {LINE_COLUMNS_MAX}")
            if re.search(r"\b(?:TODO|FIXME|XXX)\b", line):
                yield Violation(source.path, number, "marker", "do it now, or file an issue and say here what is")
        if len(source.lines) > FILE_LINES_MAX:
            yield Violation(source.path, FILE_LINES_MAX + 1, "file-length",
                            f"{len(source.lines)} lines; split it, below 600 if it can be")
        if source.is_header:
            if not any(line.strip() == "#pragma once" for line in source.lines):
                if source.path != "client/include/triad/triad.h":  # read by C compilers of all kinds
                    yield Violation(source.path, 1, "pragma-once", "add #pragma once after the opening comment")
            if not source.lines or not source.lines[0].startswith(("//", "/*")):
                yield Violation(source.path, 1, "header-comment",
                                "open with what it is, what it is not, why, and its thread-safety")


def check_own_header_first(sources: list[Source]) -> Iterator[Violation]:
    headers = {source.path for source in sources if source.is_header}
    for source in sources:
        if source.is_header or source.is_test:
            continue
        own = source.path.removesuffix(".cc") + ".h"
        first = source.includes[0] if source.includes else (1, "", "")
        if own in headers and first[2] != own:
            yield Violation(source.path, first[0], "own-header-first",
                            f'include "{own}" before all else: that shows that it compiles alone')


def check_tests_beside(root: Path, sources: list[Source]) -> Iterator[Violation]:
    allow_path = "tests/structure/untested.txt"
    allowed: dict[str, int] = {}
    allow_file = root / allow_path
    for number, line in enumerate(allow_file.read_text().splitlines() if allow_file.exists() else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = line.partition(" ")
        if not reason.strip():
            yield Violation(allow_path, number, "untested", f"say after {name} what tests it instead")
        allowed[name] = number
    paths = {source.path for source in sources}
    untested = {s.path for s in sources
                if product(s) and not s.is_header and s.path.removesuffix(".cc") + "_test.cc" not in paths}
    for path in sorted(untested - set(allowed)):
        yield Violation(path, 1, "untested",
                        f"add {Path(path).stem}_test.cc beside it, or a line with the reason to {allow_path}")
    for path in sorted(set(allowed) - untested):
        yield Violation(allow_path, allowed[path], "untested", f"{path} is not there or has a test: remove this line")


def check_documents(root: Path) -> Iterator[Violation]:
    """Paths that the documents at the root name are there."""
    for document in sorted(root.glob("*.md")):
        for number, line in enumerate(document.read_text().splitlines(), 1):
            for name in re.findall(r"[`(]((?:" + "|".join(FOLDERS) + r"|proto|deploy|cmake)/[\w./-]*)[`)]", line):
                if not (root / name).exists():
                    yield Violation(document.name, number, "stale-path", f"{name} is not there: say where it is now")


# ---------------------------------------------------------------------------------------------------------------------
# The arrows of the design: who may include whom, who may link what

# The first word of an include path in quotes; "triad" is triad/v1, the messages, and the library's public headers.
MAY_INCLUDE = {
    "license": {"license", "triad", "absl"},
    "quorum": {"quorum", "triad", "absl"},
    "storage": {"storage", "license", "quorum", "triad", "absl"},
    "client": {"client", "license", "triad", "absl"},
    "server": {"server", "license", "quorum", "storage", "triad", "absl"},
    "cli": {"cli", "client", "license", "triad", "absl"},
}


def check_includes(sources: list[Source]) -> Iterator[Violation]:
    for source in sources:
        allowed = MAY_INCLUDE.get(source.folder)
        if allowed is None:
            continue
        public = source.path.startswith("client/include/")
        for number, bracket, name in source.includes:
            top = name.split("/")[0]
            if source.allows("arrows", number):
                continue
            if public:
                # C++'s headers have neither slash nor suffix, C's have no slash.
                if not (bracket == "<" and "/" not in name or bracket == '"' and re.fullmatch(r"triad/\w+\.h", name)):
                    yield Violation(source.path, number, "public-header",
                                    f"{name}: public headers need the standard library only")
            elif bracket == '"' and top in FOLDERS and top not in allowed:
                yield Violation(source.path, number, "arrows", f"{source.folder}/ may not know {top}/ (design 2)")


ABSL, PROTOBUF, OPENSSL, GRPC, ROCKSDB, XXHASH, SYSTEMD, THREADS, PROMETHEUS, CIVETWEB, JEMALLOC = (
    "absl", "protobuf", "openssl", "grpc", "rocksdb", "xxhash", "systemd", "threads", "prometheus", "civetweb",
    "jemalloc")

# What each library may link directly. A new one gets a row here, and with it a place in the design.
MAY_LINK = {
    "triad_license": {"triad_messages", ABSL, PROTOBUF, OPENSSL},
    "triad_quorum": {"triad_messages", ABSL, PROTOBUF},
    "triad_storage": {"triad_license", "triad_quorum", "triad_messages", ABSL, PROTOBUF, XXHASH},
    "triad_ledger_db": {"triad_license", "triad_messages", ABSL, PROTOBUF, ROCKSDB, XXHASH},
    "triad_client_core": {"triad_license", "triad_messages", ABSL, PROTOBUF, OPENSSL},
    "triad_client": {"triad_client_core", "triad_license", "triad_messages", "triad_services",
                     ABSL, PROTOBUF, OPENSSL, GRPC, THREADS},
    "triad_examples": {"triad_client", THREADS},
    "triad_shared": {"triad_license", "triad_messages", "triad_services", ABSL, THREADS},
    "triad_server_core": {"triad_license", "triad_quorum", "triad_messages", ABSL, PROTOBUF, OPENSSL},
    "triad_server_data": {"triad_server_core", "triad_storage", "triad_license", "triad_quorum", "triad_messages",
                          ABSL, PROTOBUF, XXHASH},
    "triad_server": {"triad_server_core", "triad_server_data", "triad_storage", "triad_ledger_db", "triad_license",
                     "triad_quorum", "triad_messages", "triad_services", ABSL, PROTOBUF, OPENSSL, GRPC, SYSTEMD,
                     THREADS, PROMETHEUS, CIVETWEB},
    "triad_cli": {"triad_client", "triad_client_core", "triad_license", "triad_messages", "triad_services",
                  ABSL, PROTOBUF, OPENSSL, GRPC, THREADS},
}
# What the programs of a folder may link.
PROGRAM_MAY_LINK = {
    "server": MAY_LINK["triad_server"] | {"triad_server", JEMALLOC},
    "client": MAY_LINK["triad_client"] | {"triad_client", "triad_examples"},
    "cli": MAY_LINK["triad_cli"] | {"triad_cli"},
}
# What these libraries may not even reach through others.
DECIDING = ("triad_license", "triad_quorum", "triad_client_core", "triad_server_core")
NEVER_IN_DECIDING = {GRPC, ROCKSDB, SYSTEMD, THREADS, PROMETHEUS, CIVETWEB, JEMALLOC,
                     "triad_services", "triad_storage", "triad_ledger_db"}


class Target(NamedTuple):
    kind: str
    name: str
    folder: str
    links: list[str]
    sources: list[str]  # paths from the root


def kind_of_link(name: str) -> str:
    if name.startswith("triad_"):
        return name
    lower = name.lower()
    for kind in (ABSL, GRPC, ROCKSDB, XXHASH, SYSTEMD, THREADS, PROTOBUF, OPENSSL, PROMETHEUS, CIVETWEB, JEMALLOC):
        if kind in lower:
            return kind
    return name


def read_targets(text: str) -> dict[str, Target]:
    targets = {}
    for line in text.splitlines():
        head, _, rest = line.partition(": ")
        links, _, sources = rest.partition("|")
        kind, name, folder = head.split()
        real = [kind_of_link(link) for link in links.split() if not link.endswith("NOTFOUND")]
        targets[name] = Target(kind, name, folder, real, [f"{folder}/{source}" for source in sources.split()])
    return targets


def reach(targets: dict[str, Target], name: str) -> dict[str, list[str]]:
    """Everything that `name` links, directly or through others, each with the way that leads there."""
    ways: dict[str, list[str]] = {}
    todo = [(link, [name, link]) for link in targets[name].links]
    while todo:
        link, way = todo.pop(0)
        if link in ways:
            continue
        ways[link] = way
        if link == "triad_services":
            todo.append((GRPC, way + [GRPC]))
        if link in targets:
            todo += [(further, way + [further]) for further in targets[link].links]
    return ways


def check_links(targets: dict[str, Target]) -> Iterator[Violation]:
    for target in targets.values():
        where = f"{target.folder}/CMakeLists.txt"
        top = target.folder.split("/")[0]
        if top in ("tests", "bench", "proto") or target.name.endswith("_testing"):
            continue
        allowed = MAY_LINK.get(target.name) if target.kind == "library" else PROGRAM_MAY_LINK.get(top)
        if allowed is None:
            yield Violation(where, 1, "links", f"{target.name} has no row in MAY_LINK of tests/structure/rules.py")
            continue
        for link in sorted(set(target.links) - allowed):
            yield Violation(where, 1, "links", f"{target.name} may not link {link} (design 2)")
        if target.name in DECIDING:
            for link, way in sorted(reach(targets, target.name).items()):
                if link in NEVER_IN_DECIDING and link not in target.links:
                    yield Violation(where, 1, "links", f"{target.name} reaches {link}: {' -> '.join(way)}")


def check_deciding_includes(sources: list[Source], targets: dict[str, Target]) -> Iterator[Violation]:
    """The sources and headers of deciding libraries read no header of what these may not link."""
    deciding = {path for name in DECIDING if name in targets for path in targets[name].sources}
    deciding |= {path.removesuffix(".cc") + ".h" for path in deciding}
    for source in sources:
        if source.path not in deciding or pure(source):  # for the pure, BANS says it
            continue
        for number, _, name in source.includes:
            if re.match(r"(?:grpcpp|grpc|rocksdb|systemd)/", name) or name.endswith(".grpc.pb.h") or name == "thread":
                yield Violation(source.path, number, "deciding-include",
                                f"{name}: what decides is handed its transport, clock and threads (design 2)")


# Undefined symbols that none of the deciding libraries may have, as nm -C writes them.
NEVER_CALLED = re.compile(
    r"^(?:pthread_create|socket|connect|accept4?|bind|listen|recv|recvfrom|send|sendto|open|open64|openat|fopen|"
    r"fopen64|read|write|clock_gettime|gettimeofday|time|getrandom|rand|srand|random|RAND_bytes|nanosleep|usleep|"
    r"sleep|getenv)(?:@.*)?$"
    r"|^std::thread::|^std::this_thread::|^std::random_device::|^std::basic_i?o?f(?:stream|ilebuf)<"
    r"|^triad::storage::|^std::filesystem::|^std::chrono::_V2::\w+_clock::now\(\)|^absl::\w*:*Now\(\)|^grpc::|^grpc_|^rocksdb::")
NEVER_CALLED_PURE = re.compile(r"^absl::(?:\w+::)?(?:Mutex|CondVar|SleepFor)\b|^pthread_|^std::condition_variable")


def undefined_symbols(nm_output: str) -> Iterator[tuple[str, str]]:
    """(object file, symbol) of `nm -uC`."""
    member = ""
    for line in nm_output.splitlines():
        if line.endswith(":"):
            member = line[:-1]
        elif line.strip().startswith("U "):
            yield member, line.strip()[2:].strip()


def check_symbols_of(name: str, nm_output: str) -> Iterator[Violation]:
    is_pure = name in ("triad_license", "triad_quorum")
    for member, symbol in undefined_symbols(nm_output):
        if NEVER_CALLED.search(symbol) or is_pure and NEVER_CALLED_PURE.search(symbol):
            yield Violation(f"lib{name}.a({member})", 0, "symbols",
                            f"calls {symbol}: have the caller hand it in (design 2)")


def check_symbols(build: Path, targets: dict[str, Target]) -> Iterator[Violation]:
    for name in DECIDING:
        if name not in targets:
            continue
        archive = build / "lib" / f"lib{name}.a"
        if not archive.exists():
            yield Violation(str(archive), 0, "symbols", "is not built: ./dev build")
            continue
        done = subprocess.run(["nm", "-uC", str(archive)], capture_output=True, text=True, check=True)
        yield from check_symbols_of(name, done.stdout)


# ---------------------------------------------------------------------------------------------------------------------

def check_text(root: Path) -> Iterator[Violation]:
    sources = read_sources(root)
    yield from check_bans(sources)
    yield from check_form(sources)
    yield from check_own_header_first(sources)
    yield from check_tests_beside(root, sources)
    yield from check_includes(sources)
    yield from check_documents(root)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--build", type=Path)
    parser.add_argument("--symbols", action="store_true")
    arguments = parser.parse_args()

    violations = list(check_text(arguments.root.resolve()))
    if arguments.build:
        targets = read_targets((arguments.build / "structure" / "links.txt").read_text())
        violations += check_links(targets)
        violations += check_deciding_includes(read_sources(arguments.root.resolve()), targets)
        if arguments.symbols:
            violations += check_symbols(arguments.build, targets)
    for violation in sorted(set(violations)):
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
