"""A receiver of webhooks, which holds each delivery to the OpenAPI document."""
import hashlib
import hmac
import http.server
import re
import threading

from contracts_lib import parse, problems

SECRET = b"a secret for tests"


class Hook:
    """The receiver on a port of this machine, and what was found at it."""

    def __init__(self, contracts, port):
        operation = contracts.open_api["webhooks"]["delivery"]["post"]
        self.headers = {parameter["name"]: parameter for parameter in operation["parameters"]}
        content = operation["requestBody"]["content"]["application/json"]
        self.validator = contracts.validator(content["schema"])
        self.faults, self.samples, self.messages = [], [], 0
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                hook.receive(self.headers, self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, headers, body):
        signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        if headers["X-Certstream-Signature"] != signature:
            self.faults.append("a delivery has another signature")
        for name, parameter in self.headers.items():
            if not re.search(parameter["schema"].get("pattern", "."), headers.get(name, "")):
                self.faults.append(f"a delivery has {name}: {headers.get(name)}")
        unknown = {name for name in headers if name.startswith("X-Certstream-")} - self.headers.keys()
        self.faults += [f"a delivery has {name}, which is not in the document" for name in unknown]
        value = parse(body.decode())
        found = problems(self.validator, value)
        if found:
            self.faults.append(f"a delivery: {found}")
        self.messages += len(value["messages"])
        if len(self.samples) < 3:
            self.samples.append({**value, "messages": value["messages"][:2]})
