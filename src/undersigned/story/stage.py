"""The stage of a story: real processes on loopback, each started as anybody would, in a fresh directory."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from undersigned.client.source import HttpSource, get_json
from undersigned.errors import Unavailable

WITNESSES = 4
START_SECONDS = 30.0


@dataclass(slots=True)
class Stage:
    """A directory with the host, four witnesses and everybody's files. Leave it by `close`."""

    directory: Path
    passphrase: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)
    port: int = 0
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The host's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """The host's data directory."""
        return self.directory / "host"

    def open(self) -> None:
        """Start witnesses and host: 1. witnesses' keys  2. the host with them in its policy  3. the witnesses."""
        ports = _free_ports(WITNESSES + 1)
        self.port = ports[WITNESSES]
        names = [self.directory / f"witness-{number}" for number in range(1, WITNESSES + 1)]
        keys = [
            self.run_json("witness", "keygen", str(name), "--name", f"witness.example.org/w{number}", "--json")
            for number, name in enumerate(names, 1)
        ]  # 1
        policy = self.directory / "policy.txt"
        policy.write_text(_policy([str(key["vkey"]) for key in keys], ports))
        serve = ("serve", "--data", str(self.data), "--port", str(self.port), "--policy", str(policy))
        self.start("host", *serve, "--registrar-name", "Lumen Works staff council")  # 2
        self._wait("host", self.url, "host.json")
        told = get_json(HttpSource(self.url), "host.json")
        hosts = ("--host", f"{told['host']}={told['log_key']}")
        self.start("witnesses", "witness", "serve", *map(str, names), "--port", str(ports[0]), *hosts)  # 3
        for port in ports[:WITNESSES]:
            self._wait("witnesses", f"http://127.0.0.1:{port}", "vkey")

    def publish_code(self) -> str:
        """What an organizer of this host is given."""
        return (self.data / "secrets" / "publish.code").read_text()

    def start(self, name: str, *words: str, env: dict[str, str] | None = None) -> "subprocess.Popen[bytes]":
        """Start a command of ours as a process of its own; its words go to a file named for it."""
        output = (self.directory / f"{name}.log").open("wb")
        with output:
            process = subprocess.Popen(
                [sys.executable, "-m", "undersigned", *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._environment(env),
            )
        self.processes[name] = process
        return process

    def run(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command of ours to its end; Unavailable with its words when it fails and `check`."""
        done = subprocess.run(
            [sys.executable, "-m", "undersigned", *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=self._environment(None),
            check=False,
        )
        if check and done.returncode:
            raise Unavailable(f"`undersigned {' '.join(words[:2])}` said: {(done.stderr or done.stdout).strip()}")
        return done

    def run_json(self, *words: str) -> dict[str, object]:
        """Run a command whose answer is JSON."""
        found = json.loads(self.run(*words).stdout)
        assert isinstance(found, dict)
        return found

    def run_all(self, commands: Sequence[Sequence[str]]) -> None:
        """Run several commands, two at a time."""
        waiting = list(commands)
        running: list[tuple[Sequence[str], subprocess.Popen[bytes]]] = []
        while waiting or running:
            while waiting and len(running) < 2:
                words = waiting.pop(0)
                running.append((words, self.start(f"{words[0]}-{words[1]}-{len(waiting)}", *words)))
            words, process = running.pop(0)
            if process.wait():
                raise Unavailable(f"`undersigned {' '.join(words[:2])}` failed: see {self.directory}")

    def close(self) -> None:
        """Stop every process, the host last, and wait for them."""
        running = [process for process in self.processes.values() if process.poll() is None]
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
        for process in running:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def peak_bytes(self) -> int:
        """The largest resident memory of every process that still runs, and of this one, added up, in bytes."""
        running = [process.pid for process in self.processes.values() if process.poll() is None]
        return sum(_peak(pid) for pid in [os.getpid(), *running])

    def _environment(self, extra: dict[str, str] | None) -> dict[str, str]:
        base = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSIGNED_")}
        return base | {"UNDERSIGNED_PASSPHRASE": self.passphrase, "PYTHONUNBUFFERED": "1"} | (extra or {})

    def _wait(self, name: str, url: str, path: str) -> None:
        source, until = HttpSource(url), time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.processes[name].poll() is None:
            try:
                source.get(path)
            except Unavailable:
                time.sleep(0.05)
            else:
                return
        raise Unavailable(f"the {name} did not start: see {self.directory / name}.log")


def _policy(vkeys: Sequence[str], ports: Sequence[int]) -> str:
    pairs = enumerate(zip(vkeys, ports, strict=False), 1)
    lines = [f"witness w{number} {key} http://127.0.0.1:{port}" for number, (key, port) in pairs]
    names = " ".join(f"w{number}" for number in range(1, len(vkeys) + 1))
    return "\n".join([*lines, f"group three-of-four 3 {names}", "quorum three-of-four", ""])


def _free_ports(count: int) -> list[int]:
    """`count` neighbouring ports of loopback that are free now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first + count < 65_536 and all(_is_free(port) for port in range(first, first + count)):
            return list(range(first, first + count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _peak(pid: int) -> int:
    """VmHWM of a process on Linux, 0 where that is not known."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0
