#!/usr/bin/env python3
"""Clients of two edges behind a proxy, for scripts/cluster_proxy.sh.

cluster_proxy.py listen PROXY SECONDS
    On each wire, one client that wants everything and one whose filter matches nothing. None may miss a message, lose its
    connection, or wait for a heartbeat.

cluster_proxy.py back PROXY EDGE=PID EDGE=PID
    A client on each wire that connects again when its connection is lost. The edge of one of them is killed: its clients
    must come back to the other, and no request may fail meanwhile.
"""
import http.client
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from smoke_tally import Tally

# An edge sends a heartbeat every 10 s.
HEARTBEAT = 10
# How late a heartbeat may be on a busy machine; one that a proxy keeps back waits for the next, 10 s later.
LATE = 3


def over_websocket(proxy, query):
    # With a limit on its queue, this client reads nothing while it is full, and waits 10 s for the answer to its close.
    with connect(f"ws://{proxy}/lite-stream?{query}", max_size=None, max_queue=None) as socket:
        while True:
            yield json.loads(socket.recv(timeout=3 * HEARTBEAT))


def over_ndjson(proxy, query):
    for line in response(proxy, f"/ndjson?stream=lite&{query}"):
        yield json.loads(line)


def over_sse(proxy, query):
    """Heartbeats are comments, which have the number alone."""
    for line in response(proxy, f"/sse?stream=lite&{query}"):
        if line.startswith(b"data:"):
            yield json.loads(line.removeprefix(b"data:"))
        elif line.startswith(b":"):
            yield {"message_type": "heartbeat"}


def response(proxy, path):
    """The lines of the body, as they come."""
    connection = http.client.HTTPConnection(proxy, timeout=3 * HEARTBEAT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"status {answer.status}: {answer.read(200)}")
        while line := answer.readline():
            yield line
    finally:
        connection.close()


WIRES = {"websocket": over_websocket, "ndjson": over_ndjson, "sse": over_sse}


def listen(proxy, seconds):
    """Whether a client has a fault. Each is reported when all have ended, so that their lines do not mix."""
    kinds = (receive_all, stay_idle)
    with ThreadPoolExecutor(len(kinds) * len(WIRES)) as pool:
        reports = [pool.submit(kind, name, wire, proxy, seconds) for name, wire in WIRES.items() for kind in kinds]
    return any([report.result()() for report in reports])


def until(messages, end, faults):
    """The messages until the time `end`. A connection that ends before is a fault."""
    try:
        for message in messages:
            yield message
            if time.monotonic() > end:
                return
        faults.append("the connection was closed")
    except (OSError, http.client.HTTPException, WebSocketException) as error:
        faults.append(f"{type(error).__name__}: {error}")
    finally:
        messages.close()


def receive_all(name, wire, proxy, seconds):
    tally = Tally()
    for message in until(wire(proxy, ""), time.monotonic() + seconds, tally.faults):
        tally.take(message)
    stopped = time.monotonic()
    return lambda: tally.report(f"{name}, everything", stopped)


def stay_idle(name, wire, proxy, seconds):
    start = time.monotonic()
    heartbeats, latest, faults = 0, 0, []
    for message in until(wire(proxy, "domain=nothing.invalid"), start + seconds, faults):
        if message["message_type"] != "heartbeat":
            faults.append(f"{message['message_type']} came")
            continue
        heartbeats += 1
        latest = max(latest, time.time() - message.get("timestamp", time.time()))
    lasted = time.monotonic() - start
    if heartbeats < lasted // HEARTBEAT - 1:
        faults.append("heartbeats are missing")
    if latest > LATE:
        faults.append("a heartbeat was kept back")
    return lambda: report(f"{name}, idle", lasted, faults, heartbeats=heartbeats, latest_ms=round(1000 * latest))


def report(client, seconds, faults, **what):
    """Prints one line, and returns whether there are faults."""
    print(json.dumps({"client": client, "seconds": round(seconds, 1), **what, "faults": faults[:5]}), flush=True)
    return bool(faults)


class Returning(threading.Thread):
    """A client that connects again, and knows which logs its latest message was from."""

    def __init__(self, wire, proxy):
        super().__init__(daemon=True)
        self.wire, self.proxy = wire, proxy
        self.log, self.connections = None, 0

    def run(self):
        while True:
            self.connections += 1
            try:
                for message in self.wire(self.proxy, ""):
                    if message["message_type"] == "certificate_update":
                        self.log = message["data"]["source"]["url"].rstrip("/")
            except (OSError, http.client.HTTPException, WebSocketException):
                pass
            time.sleep(0.1)


def logs(address):
    """The logs of a server. Each of the two has its own, so that they tell which one answers."""
    with urlopen(f"http://{address}/status.json", timeout=5) as answer:
        # With the scheme there, without it in messages.
        return {log["url"].split("://")[-1].rstrip("/") for log in json.load(answer)["logs"]}


def wait_until(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def back(proxy, *edges):
    """Whether the clients of the killed edge have a fault. Afterwards, the edge of the first client is dead."""
    pids = {address: int(pid) for address, pid in (edge.split("=") for edge in edges)}
    logs_of = {address: logs(address) for address in pids}
    clients = {name: Returning(wire, proxy) for name, wire in WIRES.items()}
    for client in clients.values():
        client.start()

    def edge_of(client):
        return next((address for address, logs in logs_of.items() if client.log in logs), None)

    if not wait_until(10, lambda: all(edge_of(client) for client in clients.values())):
        return report("coming back", 10, ["not every client received messages"])
    killed = edge_of(clients["websocket"])
    (left,) = set(pids) - {killed}
    stayed = {name: client.connections for name, client in clients.items() if edge_of(client) == left}

    faults = []
    os.kill(pids[killed], signal.SIGKILL)
    start = time.monotonic()
    for _ in range(20):
        try:
            if logs(proxy) != logs_of[left]:
                faults.append("a request was answered by the dead edge")
        except (OSError, http.client.HTTPException) as error:
            faults.append(f"a request failed while the edge was dead: {error!r}")
    if not wait_until(10, lambda: all(edge_of(client) == left for client in clients.values())):
        faults.append(f"did not come back: {[name for name, client in clients.items() if edge_of(client) != left]}")
    faults += [f"{name} lost its connection to the other edge" for name, connections in stayed.items()
               if clients[name].connections != connections]
    return report("coming back", time.monotonic() - start, faults, came_back=len(clients) - len(stayed))


def main(command, *arguments):
    if command == "listen":
        return listen(arguments[0], float(arguments[1]))
    return back(*arguments)


sys.exit(main(*sys.argv[1:]))
