#!/usr/bin/env python3
"""A real Prometheus scrapes three nodes with the alert rules that we ship; a node is killed, and its alert fires.

    prometheus_test.py --bin BUILD/bin --rules deploy/prometheus/triad.rules.yml

The rules' waiting times are cut to a second. Waits for conditions, never for durations; leaves nothing behind.
"""

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

TIMEOUT_S = 60
NODES = (1, 2, 3)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what: str, condition):
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        result = condition()
        if result:
            return result
        time.sleep(0.1)  # polls
    raise SystemExit(f"FAILED: waited {TIMEOUT_S} s for: {what}")


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Test:
    def __init__(self, programs: Path, rules: Path, directory: Path):
        self.programs, self.rules, self.directory = programs, rules, directory
        self.processes: dict[str, subprocess.Popen] = {}
        self.port = free_port()
        self.http = {node: free_port() for node in NODES}
        self.prometheus = free_port()

    def tool(self, *arguments: str) -> str:
        path = ",".join(f"{self.port}@127.0.0.{node}" for node in NODES)
        command = [str(self.programs / "triad"), "-c", path, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S).stdout

    def start(self, name: str, command: list[str]) -> None:
        with open(self.directory / f"{name}.log", "a") as log:
            self.processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start_nodes(self) -> None:
        d = self.directory
        lines = [f"SERVER 127.0.0.{node} INTERNET=127.0.0.{node} {self.port}" for node in NODES]
        lines += ["VENDOR demo", "USE_SERVER", "FEATURE seats demo 1.0 31-dec-2035 10"]
        (d / "in").write_text("\n".join(lines) + "\n")
        triad = str(self.programs / "triad")
        run = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run([triad, "keygen", "--vendor=demo", f"--out={d}/keys"], **run)
        subprocess.run([triad, "sign", f"--key={d}/keys/demo.key", f"--in={d}/in", f"--out={d}/license.dat"], **run)
        for node in NODES:
            flags = [f"--license={d}/license.dat", f"--vendor-keys={d}/keys", f"--data-dir={d}/data{node}",
                     f"--node={node}", f"--admin-socket={d}/admin{node}.sock", f"--http=127.0.0.1:{self.http[node]}"]
            triadd = str(self.programs / "triadd")
            subprocess.run([triadd, "init", *flags], check=True, stderr=subprocess.DEVNULL)
            self.start(f"node{node}", [triadd, *flags])

    def start_prometheus(self) -> None:
        rules = re.sub(r"for: \w+", "for: 1s", self.rules.read_text())
        (self.directory / "rules.yml").write_text(rules)
        targets = json.dumps([f"127.0.0.1:{self.http[node]}" for node in NODES])
        (self.directory / "prometheus.yml").write_text(
            "global: {scrape_interval: 300ms, scrape_timeout: 300ms, evaluation_interval: 300ms}\n"
            "rule_files: [rules.yml]\n"
            f"scrape_configs: [{{job_name: triad, static_configs: [{{targets: {targets}}}]}}]\n")
        self.start("prometheus", [
            "prometheus", f"--config.file={self.directory}/prometheus.yml", f"--storage.tsdb.path={self.directory}/tsdb",
            f"--web.listen-address=127.0.0.1:{self.prometheus}", "--log.level=warn"])

    def query(self, expression: str) -> list[dict]:
        url = f"http://127.0.0.1:{self.prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        status, text = get(url)
        return json.loads(text)["data"]["result"] if status == 200 else []

    def value(self, expression: str) -> float | None:
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def run(self) -> None:
        self.start_prometheus()
        self.start_nodes()
        wait_for("three nodes that answer, ready", lambda: all(
            get(f"http://127.0.0.1:{self.http[node]}/readyz")[0] == 200 for node in NODES))
        assert all(get(f"http://127.0.0.1:{self.http[node]}/livez")[0] == 200 for node in NODES)
        wait_for("Prometheus to scrape all three", lambda: self.value('sum(up{job="triad"})') == 3)
        hold = subprocess.Popen([str(self.programs / "triad"), "-c", f"{self.port}@127.0.0.1", "checkout", "-f", "seats:4"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes["checkout"] = hold
        for name, wanted in (("used", 4), ("free", 6), ("issued", 10), ("used_peak", 4)):
            wait_for(f"triad_feature_{name} {wanted} on all nodes", lambda: self.value(
                f'count(triad_feature_{name}{{feature="seats"}} == {wanted})') == 3)
        shown = json.loads(self.tool("features", "--json"))["features"][0]
        assert shown["used"] == 4, shown
        wait_for("a checkout to be measured", lambda: self.value("sum(triad_request_seconds_count)"))
        assert self.value("sum(triad_log_sync_seconds_count)") > 0
        assert not self.query('ALERTS{alertname="TriadNodeDown", alertstate="firing"}')

        self.processes["node2"].kill()
        lost = f"127.0.0.1:{self.http[2]}"
        wait_for("the alert of node 2", lambda: self.query(
            f'ALERTS{{alertname="TriadNodeDown", alertstate="firing", instance="{lost}"}}'))
        assert not self.query('ALERTS{alertname="TriadNoQuorum", alertstate="firing"}')
        self.processes["node3"].kill()
        wait_for("the alert that there is no quorum", lambda: self.query(
            'ALERTS{alertname="TriadNoQuorum", alertstate="firing"}'))
        wait_for("node 1 not ready", lambda: get(f"http://127.0.0.1:{self.http[1]}/readyz")[0] == 503)

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--rules", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        test = Test(arguments.bin, arguments.rules, Path(directory))
        try:
            test.run()
        except BaseException:
            for log in sorted(Path(directory).glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-3000:]}", file=sys.stderr)
            raise
        finally:
            test.stop()
    print("a real Prometheus saw three nodes, the loss of one and of two")
    return 0


if __name__ == "__main__":
    sys.exit(main())
