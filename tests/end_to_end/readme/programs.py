"""Runs what the documents tell a reader to run: the server, grpcurl, the generator of the stubs."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import documents

ADDRESS = "localhost:7420"  # what the documents write
_DEADLINE = 60  # seconds; for anything that is waited for


def environment(name):
    value = os.environ.get(name)
    assert value and pathlib.Path(value).exists(), f"{name}={value}: no such file; tools/test builds it"
    return value


@contextlib.contextmanager
def server(*options):
    """A latchkeyd of its own, in memory unless told otherwise; gives its address. It must end well."""
    given = [option.partition("=")[0] for option in options]
    defaults = {"--store": "memory:", "--listen-address": "127.0.0.1:0"}
    options = [*(f"{name}={value}" for name, value in defaults.items() if name not in given), *options]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [environment("LATCHKEYD"), *options],
            stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            said = process.stdout.readline().split()
            if not said:
                log.seek(0)
                raise AssertionError("latchkeyd did not start: " + log.read())
            yield said[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(_DEADLINE)
            process.stdout.close()
            log.seek(0)
            text = log.read()
        assert code == 0, f"latchkeyd ended with {code}: {text}"


@contextlib.contextmanager
def working_directory():
    """A directory in which the documents' relative paths work, and where what they make goes."""
    with tempfile.TemporaryDirectory() as path:
        for name in ("proto", "examples"):
            os.symlink(documents.ROOT / name, pathlib.Path(path) / name)
        yield pathlib.Path(path)


def shell(command, address=ADDRESS, cwd=None):
    """Runs a line of a document as it stands, but for the address; gives exit code, output, errors."""
    path = os.path.dirname(environment("LATCHKEY_GRPCURL")) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(["bash", "-c", command.replace(ADDRESS, address)], cwd=cwd, text=True,
                          capture_output=True, timeout=_DEADLINE,
                          env={**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"})
    return done.returncode, done.stdout, done.stderr


def command_line(lines, address, cwd):
    """Runs lines of a document that call latchkey; gives what they said, errors included."""
    path = os.path.dirname(environment("LATCHKEY")) + os.pathsep + os.environ["PATH"]
    lines = "\n".join(line for line in lines.splitlines() if not line.startswith("PATH="))
    done = subprocess.run(["bash", "-c", lines], cwd=cwd, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=_DEADLINE,
                          env={**os.environ, "PATH": path, "LATCHKEY_ADDRESS": address})
    return done.stdout


def python_lines():
    """The README's lines for Python: those that make the stubs, and the one that uses them."""
    lines = documents.block(documents.README, "sh", "grpc_python_plugin").text
    make, _, use = lines.partition("PYTHONPATH=")
    return make, "PYTHONPATH=" + use


def make_stubs(directory):
    """Makes the stubs as the README says, and lets this process import them."""
    code, _, errors = shell(python_lines()[0], cwd=directory)
    assert code == 0, errors
    sys.path.insert(0, str(directory / "stubs"))


class LosesReplies:
    """Stands between a client and a server, and cuts the connection in place of some replies.

    `lost` are the numbers of those replies, from 1. The call has then happened, and its caller does not
    know. It reads just enough of HTTP/2 to see a reply, of a unary call or in a session: a frame of data,
    as a short one is in one.
    """

    _FRAME_HEADER, _DATA = 9, 0

    def __init__(self, address, lost):
        host, _, port = address.rpartition(":")
        self._server = (host, int(port))
        self._lost = lost
        self._lock = threading.Lock()
        self.replies = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.create_connection(self._server) as server:
            forward = threading.Thread(target=self._forward, args=(client, server), daemon=True)
            forward.start()
            self._forward_replies(client, server)
            forward.join()

    @staticmethod
    def _cut(*sockets):
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _forward(self, client, server):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        self._cut(client, server)

    def _forward_replies(self, client, server):
        with contextlib.suppress(OSError), server.makefile("rb") as source:
            while header := source.read(self._FRAME_HEADER):
                size = int.from_bytes(header[:3], "big")
                payload = source.read(size)
                if header[3] == self._DATA and size > 0:
                    with self._lock:
                        self.replies += 1
                        lost = self.replies in self._lost
                    if lost:
                        break
                client.sendall(header + payload)
        self._cut(client, server)
