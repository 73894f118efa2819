"""Asks each route of the OpenAPI document with each method, and in wrong ways, and holds the answers to the document."""
import base64
import http.client
import json

from contracts_lib import follow, load, parse, problems

UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode()}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH")


class Routes:
    """A server, and what was found at it."""

    def __init__(self, contracts, address):
        self.contracts, self.document, self.address = contracts, contracts.open_api, address
        self.faults, self.samples, self.answers = [], {}, 0

    def ask(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection(*self.address.split(":"), timeout=30)
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        # A stream has no end.
        is_stream = response.status == 101 or response.getheader("Content-Type", "").split(";")[0] in (
            "text/event-stream", "application/x-ndjson")
        text = b"" if is_stream else response.read()
        connection.close()
        return response, text

    def operation(self, path, method):
        """What the document says of a request."""
        path = path.split("?")[0]
        if path.startswith("/schemas/"):
            path = "/schemas/{name}"
        return follow(self.document, self.document["paths"].get(path, {})).get(method.lower())

    def check(self, method, path, headers=None, body=None, status=None, sample=None, admins_only=False):
        """Asks, and compares the answer with the document. `status`: the expected one. Returns the parsed body.

        What only admins may see is not for pages of other origins; everything else is."""
        response, text = self.ask(method, path, headers, body)
        self.answers += 1
        name = f"{method} {path}: {response.status}"
        if status is not None and response.status != status:
            self.faults.append(f"{name} instead of {status}: {text[:200]}")
        described = self.operation(path, method)["responses"].get(str(response.status))
        if described is None:
            return self.faults.append(f"{name} is not in the document: {text[:200]}")
        content = follow(self.document, described).get("content", {})
        kind = response.getheader("Content-Type", "").split(";")[0]
        if response.status in (101, 304):
            return None
        if kind not in content:
            return self.faults.append(f"{name} has the type {kind!r}: {text[:200]}")
        # Pages cannot read the answer to a handshake.
        if kind == "application/json" and "Upgrade" not in (headers or {}) and response.status != 426:
            if (response.getheader("Access-Control-Allow-Origin") == "*") == admins_only:
                self.faults.append(f"{name}: pages of other origins {'can' if admins_only else 'cannot'} read it")
        value = parse(text.decode()) if kind == "application/json" else text.decode()
        found = problems(self.contracts.validator(content[kind]["schema"]), value)
        if found:
            self.faults.append(f"{name}: {found}")
        # Before the first message, an example is empty.
        if sample and value:
            found = problems(self.contracts.schema(sample), value)
            if found:
                return self.faults.append(f"{name} as {sample}: {found}")
            self.samples.setdefault(sample, []).append(value)
        return value

    def methods(self):
        """A method is allowed exactly if the document has it; or HEAD and OPTIONS where it says so of all."""
        for path in self.document["paths"]:
            operations = follow(self.document, self.document["paths"][path])
            path = path.replace("{name}", "gap.json")
            for method in METHODS:
                response, _ = self.ask(method, path)
                is_json = path.endswith((".json", "/health", "/health/ready", "/stats"))
                extra = {"HEAD"} if path == "/" else {"HEAD", "OPTIONS"} if is_json else set()
                extra |= {"OPTIONS"} if path == "/filters" else set()
                is_allowed = method.lower() in operations or method in extra
                self.answers += 1
                if is_allowed == (response.status in (404, 405)):
                    self.faults.append(f"{method} {path}: {response.status}")
                if not is_allowed and response.status == 404:
                    self.faults.append(f"{method} {path}: 404 instead of 405")

    def documents(self):
        """Each is served as it is in the repository, and is not sent again to whoever has it."""
        for name in ["openapi.json", "asyncapi.json"] + [f"schemas/{n}" for n in self.schema_names()]:
            response, text = self.ask("GET", f"/{name}")
            if response.status != 200 or json.loads(text) != load(name):
                self.faults.append(f"/{name} is not the one of the repository")
            tag = response.getheader("ETag", "none")
            self.check("GET", f"/{name}", {"If-None-Match": f'W/"x", {tag}'}, status=304)
            self.check("GET", f"/{name}", {"If-None-Match": '"x"'}, status=200)
        self.check("GET", "/schemas/none.json", status=404)

    def schema_names(self):
        return self.document["paths"]["/schemas/{name}"]["get"]["parameters"][0]["schema"]["enum"]


def open_server(routes):
    """What a server answers that needs no tokens. Returns the name of a filter that was put."""
    routes.methods()
    routes.documents()
    check = routes.check
    check("GET", "/", status=200)
    check("GET", "/metrics", status=200)
    check("GET", "/metrics", {"Accept": "application/openmetrics-text"}, status=200)
    for path in ("/", "/full-stream", "/lite-stream", "/domains-only", "/develop"):
        check("GET", path, UPGRADE, status=101)
        check("GET", path, {**UPGRADE, "Sec-WebSocket-Version": "8"}, status=400)
    for path in ("/full-stream", "/lite-stream", "/domains-only", "/develop"):
        check("GET", path, status=426)
    for path in ("/sse", "/ndjson"):
        check("GET", path, status=200)
        for query in ("domian=x", "cursor=x", "cursor=9007199254740991", "since=1h&last=5", "stream=x", "filter=none",
                      "filter=f-" + "0" * 32, "regex=%28", "unique=issuance&sample=2", "%00=%ff", "follow=2"):
            value = check("GET", f"{path}?{query}", status=400, sample="invalid_parameter")
            if value and value["parameter"] not in query and query[0] != "%":
                routes.faults.append(f"{path}?{query}: the parameter is {value['parameter']}")
        check("GET", path, {"Last-Event-ID": "x"}, status=400, sample="invalid_parameter")
    kept = check("POST", "/filters", body='{"domain":["example","test"],"type":["precert"]}', status=200,
                 sample="kept_filter")
    for body in ("", "[]", "{}", '{"domian":["x"]}', '{"domain":"x"}', '{"domain":[1]}', '{"domain":["x"],"domain":["y"]}'):
        check("POST", "/filters", body=body, status=400, sample="invalid_parameter")
    return kept["filter"]


def state(routes):
    """What changes while the server runs."""
    admin, other = {}, {"Forwarded": "for=192.0.2.1"}
    routes.check("GET", "/stats", admin, status=200, sample="stats_admin", admins_only=True)
    routes.check("GET", "/stats", other, status=200, sample="stats")
    routes.check("GET", "/health/ready", admin, sample="ready", admins_only=True)
    routes.check("GET", "/health/ready", other, sample="ready")
    for path, sample in (("/health", "health"), ("/status.json", "status")):
        routes.check("GET", path, sample=sample)
    routes.check("GET", "/latest.json", status=200, sample="latest")
    for path, sample in (("/example.json", "certificate_update"), ("/full-stream/example.json", "certificate_update"),
                         ("/lite-stream/example.json", "certificate_update_lite"),
                         ("/domains-only/example.json", "dns_entries")):
        routes.check("GET", path, status=200, sample=sample)


def closed_server(routes, tokens):
    """What a server answers that needs tokens, and serves statistics to admins alone."""
    bearer = lambda token: {"Authorization": f"Bearer {token}"}
    check = routes.check
    for path in ("/sse", "/ndjson", "/latest.json", "/example.json", "/lite-stream/example.json"):
        check("GET", path, status=401, sample="error")
        check("GET", f"{path}?token=no-such-token-here", status=401, sample="error")
    for path in ("/", "/full-stream", "/lite-stream", "/domains-only", "/develop"):
        check("GET", path, UPGRADE, status=401, sample="error")
        check("GET", path, {**UPGRADE, **bearer("no-such-token-here")}, status=401, sample="error")
    check("POST", "/filters", body='{"domain":["a.example"]}', status=401, sample="error")
    check("GET", "/ndjson?stream=full", bearer(tokens["lite"]), status=403, sample="error")
    check("GET", "/latest.json", bearer(tokens["lite"]), status=403, sample="error")
    check("GET", "/lite-stream/example.json", bearer(tokens["filtered"]), status=403, sample="error")
    check("GET", f"/lite-stream/example.json?token={tokens['lite']}", status=200)
    for path in ("/stats", "/metrics"):
        check("GET", path, status=403, sample="error")
    check("GET", "/health", status=200, sample="health")
    ready = check("GET", "/health/ready", sample="ready")
    if not ready["not_delivering"]:
        routes.faults.append("/health/ready does not have the log that does not answer")
    # The token allows one connection.
    connection = http.client.HTTPConnection(*routes.address.split(":"), timeout=30)
    connection.request("GET", "/ndjson?stream=lite", headers=bearer(tokens["lite"]))
    response = connection.getresponse()
    check("GET", "/ndjson?stream=lite", bearer(tokens["lite"]), status=429, sample="error")
    response.close()
