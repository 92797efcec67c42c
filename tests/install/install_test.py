#!/usr/bin/env python3
"""libtriad as its users get it: installed into a temporary directory, then used by projects outside the tree.

Checks that it exports the API and nothing else (tests/install/exported.txt), that an application with gRPC and
messages of its own can use it (find_package), and that one without Abseil's, gRPC's and protobuf's headers can
(pkg-config, C++17 and C99), and that it prints nothing.

  install_test.py --build DIR          all of it
  install_test.py --build DIR --list   prints what the library exports, for exported.txt
"""
import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Headers that an application need not have.
FOREIGN = ("/absl/", "/grpc", "/google/protobuf/", "/openssl/")


def run(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        sys.exit(f"install_test: exit {done.returncode}: {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def exported(library: Path) -> list[str]:
    lines = run("nm", "--dynamic", "--defined-only", "--demangle", str(library)).splitlines()
    names = {line.split(" ", 2)[2] for line in lines if line.strip()}
    return sorted(name.replace("@@TRIAD_1", "") for name in names if not name.startswith("TRIAD_1"))


def check_exports(library: Path) -> None:
    want = [line for line in (HERE / "exported.txt").read_text().splitlines() if line and not line.startswith("#")]
    got = exported(library)
    for name in sorted(set(got) - set(want)):
        print(f"install_test: exported, but not of the API: {name}")
    for name in sorted(set(want) - set(got)):
        print(f"install_test: of the API, but not exported: {name}")
    if got != want:
        sys.exit("install_test: mend client/libtriad.map; if the API has changed, tests/install/exported.txt")
    needed = run("readelf", "--dynamic", str(library))
    if "[libtriad.so.1]" not in needed:
        sys.exit("install_test: the soname is not libtriad.so.1")


def check_grpc_application(prefix: Path, work: Path, env: dict[str, str]) -> None:
    build = str(work / "greeting")
    run("cmake", "-S", str(HERE / "grpc_app"), "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
        "-DCMAKE_CXX_FLAGS=-O0", env=env)
    run("cmake", "--build", build, env=env)
    if "both work" not in run(f"{build}/greeting", env=env):
        sys.exit("install_test: the application with a gRPC service of its own does not work")


def readme_applications(work: Path) -> list[Path]:
    """The complete applications in README.md, as files."""
    sources = []
    for language, suffix in (("cpp", "cc"), ("c", "c")):
        blocks = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
        complete = [block for block in blocks if "int main(" in block]
        if not complete:
            sys.exit(f"install_test: README.md shows no complete application in {language}")
        for number, block in enumerate(complete):
            sources.append(work / f"readme{number}.{suffix}")
            sources[-1].write_text(block)
    return sources


def build_plain(source: Path, work: Path, env: dict[str, str]) -> str:
    compiler = ["gcc", "-std=c99"] if source.suffix == ".c" else ["g++", "-std=c++17"]
    flags = run("pkg-config", "--cflags", "--libs", "triad", env=env).split()
    command = [*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", str(source)]
    headers = run(*command, "-M", *flags, env=env)
    for foreign in FOREIGN:
        if foreign in headers:
            sys.exit(f"install_test: {source} needs a header of {foreign}")
    program = str(work / f"{source.name}.out")
    run(*command, "-o", program, *flags, env=env)
    return program


def check_plain_applications(work: Path, env: dict[str, str]) -> None:
    for source in sorted((HERE / "plain_app").iterdir()):
        run(build_plain(source, work, env), env=env)
    for source in readme_applications(work):
        program = build_plain(source, work, env)
        nowhere = {**env, "LM_LICENSE_FILE": "/nonexistent.lic", "HOME": str(work)}
        done = subprocess.run(program, env=nowhere, text=True, stderr=subprocess.PIPE, check=False)
        if done.returncode != 1 or "no license server found" not in done.stderr:
            sys.exit(f"install_test: {source.name}: exit {done.returncode}: {done.stderr}")


def check_silence(build: Path, work: Path, env: dict[str, str]) -> None:
    """gRPC's own words about a handshake that fails do not reach the application's stderr."""
    (work / ".config").mkdir()
    run(str(build / "bin" / "triad"), "certs", "ca", f"--dir={work}/.config/triad")
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer() -> None:
            try:
                while True:
                    with server.accept()[0] as connection:
                        connection.recv(4096)
                        connection.sendall(b"220 what is this?\r\n")
            except OSError:
                pass  # closed: the application has ended

        threading.Thread(target=answer, daemon=True).start()
        there = {**env, "LM_LICENSE_FILE": f"{server.getsockname()[1]}@127.0.0.1", "HOME": str(work)}
        done = subprocess.run(str(work / "readme0.cc.out"), env=there, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode != 1 or len(done.stderr.splitlines()) != 1 or "127.0.0.1" not in done.stderr:
            sys.exit(f"install_test: a failed handshake: exit {done.returncode}, stderr: {done.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(exported(arguments.build / "lib" / "libtriad.so")))
        return
    with tempfile.TemporaryDirectory(prefix="triad-install-") as directory:
        work = Path(directory)
        prefix = work / "usr"
        for component in ("library", "development"):
            run("cmake", "--install", str(arguments.build), "--prefix", str(prefix), "--component", component)
        library = next(prefix.rglob("libtriad.so"))
        check_exports(library)
        env = {name: value for name, value in os.environ.items() if not name.startswith(("TRIAD_", "LM_"))}
        env["LD_LIBRARY_PATH"] = str(library.parent)
        env["PKG_CONFIG_PATH"] = str(next(prefix.rglob("triad.pc")).parent)
        check_plain_applications(work, env)
        check_silence(arguments.build, work, env)
        check_grpc_application(prefix, work, env)
    print("install_test: exports, pkg-config, find_package: good")


if __name__ == "__main__":
    main()
