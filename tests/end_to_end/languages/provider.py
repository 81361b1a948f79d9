"""A payment provider that speaks HTTP, and does what a test tells it at the worst moments."""

import contextlib
import http.server
import json
import threading


class Provider:
    """Charges what is posted to /charges, and tells of a charge under /charges/REFERENCE.

    `before` and `after` are called with each request that wants a charge, before and after it is made. If
    one of them gives True, the connection ends there without an answer.
    """

    def __init__(self, deduplicates=True):
        self.deduplicates = deduplicates
        self.before = self.after = self.asked = lambda: False
        self.charges = []  # the references
        self.requests = []  # POST and GET, as they came
        self._lock = threading.Lock()
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                provider.handle(self, provider.charge)

            def do_GET(self):
                provider.handle(self, provider.find)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def handle(self, request, what):
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        reference = request.headers["Idempotency-Key"]
        with self._lock:
            self.requests.append(request.command)
        answer = what(reference, body)
        if answer is None:
            request.close_connection = True
            return
        code, said = answer
        text = json.dumps(said).encode()
        with contextlib.suppress(ConnectionError):  # a caller that was killed meanwhile
            request.send_response(code)
            request.send_header("Content-Length", str(len(text)))
            request.end_headers()
            request.wfile.write(text)

    def charge(self, reference, body):
        amount = json.loads(body)["amount"]
        if self.before():
            return None
        if amount == "0.00":
            return 402, {"code": "amount_too_small"}
        with self._lock:
            if not self.deduplicates or reference not in self.charges:
                self.charges.append(reference)
        if self.after():
            return None
        return 200, {"id": self.id_of(reference)}

    def find(self, reference, _):
        self.asked()
        with self._lock:
            known = reference in self.charges
        return (200, {"id": self.id_of(reference)}) if known else (404, {})

    @staticmethod
    def id_of(reference):
        return "ch_" + reference[:8]
