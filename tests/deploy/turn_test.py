#!/usr/bin/env python3
"""When deploy/packages/restart-in-turn restarts a node, and when it does not: with a triad and a systemctl that answer as
a case says and note what they are asked.

  turn_test.py --root DIR
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Answers are taken one after the other from DIR/triad-status.K; the last one stays.
TRIAD = """#!/bin/bash
case " $* " in
  *" status "*)
    n=$(cat "$DIR/asked" 2>/dev/null || echo 0); n=$((n + 1)); echo "$n" >"$DIR/asked"
    while [[ ! -e $DIR/status.$n && $n -gt 1 ]]; do n=$((n - 1)); done
    cat "$DIR/status.$n" ;;
  *" drain --undo "*) echo undo >>"$DIR/did" ;;
  *" drain "*) echo drain >>"$DIR/did"; echo '{"node":1,"draining":true,"leader":2}' ;;
esac
"""
SYSTEMCTL = """#!/bin/bash
case "$*" in
  *is-active*) exit "$INACTIVE" ;;
  *MainPID*) echo 100 ;;
  *StatusText*) echo "node 1: follower, term 1" ;;
  restart*) echo restart >>"$DIR/did" ;;
esac
"""

failed = 0


def status(drained: tuple[int, ...] = (), down: tuple[int, ...] = (), lag: int = 0, nodes: int = 3) -> str:
    rows = []
    for node in range(1, nodes + 1):
        row = {"node": node, "address": f"27000@lic{node}", "role": "down" if node in down else "follower"}
        if node in down:
            row |= {"applied": None, "error": "connection refused"}
        else:
            row |= {"applied": 9, "term": 1, "lag": lag if node == 3 else 0, "draining": node in drained}
        rows.append(row)
    whole = nodes == 3 and not down
    return json.dumps({"quorum": True, "leader": 2, "term": 1, "nodes": rows, "can_lose": int(whole),
                       "verdict": "can lose 1" if whole else "cannot lose any: node 3 is down"},
                      separators=(",", ":"))


def case(script: Path, name: str, answers: list[str], want_did: list[str], want_exit: int, inactive: bool = False,
         words: str = "") -> None:
    global failed
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        for program, text in (("triad", TRIAD), ("systemctl", SYSTEMCTL)):
            (place / program).write_text(text)
            (place / program).chmod(0o755)
        for number, answer in enumerate(answers, 1):
            (place / f"status.{number}").write_text(answer)
        done = subprocess.run([str(script), "--wait=0"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, check=False,
                              env={**os.environ, "PATH": f"{place}:{os.environ['PATH']}", "DIR": directory,
                                   "INACTIVE": "3" if inactive else "0"})
        did = (place / "did").read_text().split() if (place / "did").exists() else []
    if did != want_did or done.returncode != want_exit or words not in done.stdout:
        failed += 1
        print(f"turn_test: {name}: did {did}, exit {done.returncode}, said {done.stdout!r}; "
              f"must do {want_did}, exit {want_exit}, say {words!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    script = parser.parse_args().root / "deploy" / "packages" / "restart-in-turn"
    healthy, mine = status(), status(drained=(1,))
    case(script, "all healthy", [healthy, healthy, mine], ["drain", "restart"], 0)
    case(script, "another is drained", [healthy, status(drained=(2,))], [], 1, words="node 2 has its turn")
    case(script, "another was drained in the same moment", [healthy, healthy, status(drained=(1, 3))], ["drain", "undo"],
         1, words="node 3 has its turn")
    case(script, "another is down", [status(down=(3,))], [], 1, words="node 3 is down")
    case(script, "another went down after the drain", [healthy, healthy, status(drained=(1,), down=(3,))],
         ["drain", "undo"], 1)
    case(script, "another has to catch up", [status(lag=100_000)], [], 1, words="has yet to catch up")
    case(script, "its own mark is gone", [healthy, healthy, healthy], ["drain", "undo"], 1, words="taken back")
    case(script, "the administrator had drained it", [mine], ["drain", "restart"], 0)
    case(script, "nobody answers", [""], [], 1, words="does not answer")
    case(script, "one server", [status(nodes=1)], ["restart"], 0)
    case(script, "it does not run", [healthy], [], 0, inactive=True, words="nothing to restart")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
