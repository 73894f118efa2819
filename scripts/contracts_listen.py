"""Subscribes to every stream on every wire, with every parameter."""
import http.client
import json
import threading
import urllib.parse

from websockets.sync.client import connect

NAMES = {"full": "/full-stream", "lite": "/lite-stream", "domains": "/domains-only"}
WIRES = ("websocket", "deflate", "events", "lines")


class Listener(threading.Thread):
    """One subscription. `take` gets it with the text of each message."""

    def __init__(self, address, path, query, wire, seconds, take):
        super().__init__(daemon=True)
        self.address, self.path, self.query, self.wire, self.seconds = address, path, query, wire, seconds
        self.take, self.count, self.fault = take, 0, None

    def __str__(self):
        return f"{self.path}?{urllib.parse.urlencode(self.query)} ({self.wire})"

    def run(self):
        try:
            {"events": self.events, "lines": self.lines}.get(self.wire, self.frames)()
        except Exception as error:  # it is reported by the one who started this thread
            self.fault = f"{type(error).__name__}: {error}"

    def message(self, text):
        self.count += 1
        self.take(self, text)

    def frames(self):
        query = urllib.parse.urlencode(self.query)
        compression = "deflate" if self.wire == "deflate" else None
        end = threading.Timer(self.seconds, lambda: socket.close())
        with connect(f"ws://{self.address}{self.path}?{query}", compression=compression, max_size=None) as socket:
            end.start()
            for message in socket:
                self.message(message)
        end.cancel()

    def body(self):
        """The lines of the response, until the time is over or it ends."""
        host, port = self.address.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", f"{self.path}?{urllib.parse.urlencode(self.query)}")
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(f"status {response.status}: {response.read()[:200]}")
        is_over = threading.Event()
        threading.Timer(self.seconds, is_over.set).start()
        while not is_over.is_set() and (line := response.readline()):
            yield line.decode().rstrip("\n")
        connection.close()

    def lines(self):
        for line in self.body():
            self.message(line)

    def events(self):
        """Each event: its data, and its id, which has to be the number of the message."""
        data = number = None
        for line in self.body():
            name, _, value = line.partition(": ")
            if name == "data":
                data = value
            elif name == "id":
                number = value
            elif line == "":
                if data is not None:
                    self.message(data)
                    if number is not None and int(number) != json.loads(data).get("seq"):
                        raise ValueError(f"the event {number} has another message")
                elif number is None:
                    raise ValueError("an event has neither data nor an id")
                data = number = None
            elif name:
                raise ValueError(f"an event has the line {line!r}")


def subscriptions(filter_name):
    """Paths, queries and wires."""
    for stream, path in NAMES.items():
        for wire in WIRES:
            if wire in ("events", "lines"):
                yield "/sse" if wire == "events" else "/ndjson", [("stream", stream), ("notices", "1")], wire
            else:
                yield path, [("notices", "1")], wire
    yield "/", [], "websocket"
    yield "/", [("stream", "lite"), ("since", "1h")], "deflate"
    yield "/develop", [], "websocket"
    explained = [
        [("domain", "example,test,com,net,org")],
        [("contains", "a"), ("type", "precert")],
        [("regex", "^[a-m]"), ("issuer", "Quillmark AG"), ("issuer", "Larkspur Commons")],
        [("lookalike", "bramble.example,thistle.example"), ("lookalike", "zephyr.example")],
        [("operator", "certstream-server"), ("log", "Demo static log,Demo RFC 6962 log")],
        [("domain", "!nobody.example"), ("filter", filter_name)],
        [("contains", "e"), ("unique", "issuance")],
        [("contains", "e"), ("sample", "3")],
    ]
    for place, query in enumerate(explained):
        for stream in NAMES:
            wire = WIRES[place % len(WIRES)]
            path = {"events": "/sse", "lines": "/ndjson"}.get(wire, "/")
            yield path, [("stream", stream), ("explain", "1"), ("notices", "1"), *query], wire
    # The end of the journal, and what it has lost.
    yield "/ndjson", [("stream", "full"), ("cursor", "1")], "lines"
    yield "/sse", [("stream", "domains"), ("last", "100"), ("notices", "1")], "events"
    yield "/ndjson", [("stream", "lite"), ("follow", "0"), ("token", "any")], "lines"
