"""A private PostgreSQL server for tests: in a directory of its own, on a Unix socket, durable, and gone afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "max_connections": "80",
    "shared_buffers": "32MB",
    "log_min_messages": "panic",
}


class Cluster:
    """`kill` and `stop` may be followed by `start`: the data stay."""

    def __init__(self) -> None:
        """PostgreSQL does not run as root: the user `postgres` does it then, and else whoever runs the tests."""
        self._directory = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path is short
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._directory, self._user, self._user)
        self._run(
            "initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=tests", self._data
        )
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://tests@/postgres?host={self._directory}"

    def start(self, **settings: str) -> None:
        """Start the server, after a kill as soon as what is left of it has gone; ready when this returns."""
        end = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < end, "PostgreSQL did not start"
            if self._server is None or self._server.poll() is not None:
                options = [f"-c{name}={value}" for name, value in (_SETTINGS | settings).items()]
                command = [_find("postgres"), "-D", self._data, f"-k{self._directory}", *options]
                self._server = subprocess.Popen(command, stderr=subprocess.DEVNULL, **self._as_user())
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop, rolling back what runs: PostgreSQL's "fast"."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of the postmaster."""
        self._end(signal.SIGKILL)

    def kill_backends(self) -> None:
        """kill -9 of whatever serves a client; the server then starts anew by itself."""
        for pid in self._backends():
            with contextlib.suppress(ProcessLookupError):  # it went by itself
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        """Let go of the server and its data: PostgreSQL's "immediate"."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._directory, ignore_errors=True)  # after a kill its children may still be leaving

    def execute(self, query: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def _end(self, by: signal.Signals) -> None:
        assert self._server is not None
        self._server.send_signal(by)
        try:
            self._server.wait(5)
        except subprocess.TimeoutExpired:  # a shutdown that falls into a start can take for ever
            self._server.kill()
            self._server.wait(5)

    @property
    def _data(self) -> str:
        return str(self._directory / "data")

    def _answers(self) -> bool:
        try:
            return self.execute("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def _backends(self) -> list[int]:
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        return [pid for (pid,) in self.execute(query)]

    def _run(self, *command: str) -> None:
        subprocess.run([_find(command[0]), *command[1:]], check=True, stdout=subprocess.DEVNULL, **self._as_user())

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {"cwd": self._directory}
        return {"user": self._user, "group": self._user, "extra_groups": [], "cwd": self._directory}


def _find(tool: str) -> str:
    found = shutil.which(tool)
    assert found is not None, f"{tool} is not installed"
    return found
