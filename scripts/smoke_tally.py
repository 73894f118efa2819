"""What the Python smoke clients count, and when it is good enough."""
import json
import sys
import time


class Tally:
    """Counts the messages of one client; each log's indexes must follow each other."""

    def __init__(self):
        self.started = time.monotonic()
        self.updates = self.heartbeats = 0
        self.next_index = {}  # by log
        self.last_heard = self.started
        self.faults = []

    def take(self, message):
        self.last_heard = time.monotonic()
        kind = message["message_type"]
        if kind == "heartbeat":
            self.heartbeats += 1
        elif kind == "certificate_update":
            self.take_index(message["data"]["source"]["url"], message["data"]["cert_index"])
        else:
            self.faults.append(f"unknown message_type {kind!r}")

    def take_index(self, log, index):
        due = self.next_index.get(log, index)
        if index != due:
            self.faults.append(f"{log}: index {index} where {due} was due")
        self.next_index[log] = index + 1
        self.updates += 1

    def report(self, client, now=None):
        """Prints one line and returns the exit status. `now` is when the client stopped listening, if that was before."""
        now = now or time.monotonic()
        seconds = now - self.started
        if not self.updates:
            self.faults.append("no certificate_update came")
        if len(self.next_index) != 2:
            self.faults.append(f"{len(self.next_index)} logs in place of the demo's two")
        if not self.heartbeats and seconds > 11:
            self.faults.append("no heartbeat came")
        if now - self.last_heard > 5:
            self.faults.append(f"nothing came for the last {now - self.last_heard:.0f} s")
        print(json.dumps({
            "client": client,
            "seconds": round(seconds, 1),
            "certificate_updates": self.updates,
            "heartbeats": self.heartbeats,
            "logs": len(self.next_index),
            "faults": self.faults[:5],
        }), flush=True)
        return 1 if self.faults else 0


def arguments():
    """URL and seconds, as given on the command line."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} URL SECONDS")
    return sys.argv[1], float(sys.argv[2])
