#!/usr/bin/env python3
"""Holds servers to the documents of src/routes/contracts: contracts.py SECONDS OPEN CLOSED HOOK FOLDER [RECEIVED]

OPEN and CLOSED are addresses: of a demo with all faults, and of a server with tokens (scripts/contracts.sh says which). All
streams of OPEN are read for SECONDS, on every wire; all routes of both are asked. OPEN has an output to the port HOOK. RECEIVED is a folder of messages that
conformance.sh has received. All must be valid, and must not be when they are changed. FOLDER gets samples.
"""
import collections
import functools
import hashlib
import json
import pathlib
import sys
import threading
import time

import contracts_routes
from contracts_lib import Contracts, parse, problems
from contracts_hook import Hook
from contracts_listen import Listener, subscriptions
from contracts_mutations import mutations, shape

# Samples of each kind that are changed, and kept.
MOST_SAMPLES = 60
# What a demo with all faults has to have shown, so that it has been checked.
EXPECTED = {"certificate_update", "certificate_update_lite", "dns_entries", "heartbeat", "subscribed", "gap", "log_alert",
            "fault", "parse_error", "an empty chain", "ctlPoisonByte"} | {f"matched {name}" for name in (
                "domain", "contains", "regex", "lookalike", "issuer", "log", "operator", "type", "filter")}


class Check:
    def __init__(self, contracts):
        self.contracts, self.faults = contracts, []
        self.counts, self.shown, self.valid = collections.Counter(), set(), set()
        self.samples = collections.defaultdict(dict)
        self.lock = threading.Lock()

    def of_listener(self, listener, text):
        stream = dict(listener.query).get("stream")
        with self.lock:
            self.message(text, self.channel(listener.path), str(listener), stream)

    @functools.cache
    def channel(self, path):
        """The schemas of the messages of a channel, by message_type."""
        schemas = collections.defaultdict(list)
        document = self.contracts.async_api
        channel = next(c for c in document["channels"].values() if c["address"] == path)
        for reference in channel["messages"].values():
            message = document["components"]["messages"][reference["$ref"].rsplit("/", 1)[1]]
            schemas[message["name"]].append(message["payload"]["$ref"].removeprefix("schemas/").removesuffix(".json"))
        return schemas

    def message(self, text, schemas, where, stream=None):
        """A message has to be valid by one of the schemas that its channel has for its type."""
        # All who hear it get the same bytes.
        known = hashlib.sha256(text.encode()).digest(), stream, id(schemas)
        if known in self.valid:
            self.counts[where.split("?")[0]] += 1
            return None
        try:
            message = parse(text)
        except ValueError as error:
            return self.faults.append(f"{where}: {error}: {text[:300]}")
        names = schemas.get(message.get("message_type"), [])
        if stream and len(names) > 1:
            names = ["certificate_update_lite" if stream == "lite" else "certificate_update"]
        valid = [name for name in names if self.contracts.schema(name).is_valid(message)]
        if len(valid) != 1:
            found = problems(self.contracts.schema(names[0]), message) if names else "no such message here"
            return self.faults.append(f"{where}: {found}: {text[:300]}")
        if not self.contracts.schema("message").is_valid(message):
            self.faults.append(f"{where}: message.json does not have it: {text[:300]}")
        self.valid.add(known)
        self.sample(valid[0], message)
        self.counts[where.split("?")[0]] += 1

    def sample(self, kind, value):
        samples = self.samples[kind]
        # The newest messages are many at once.
        if len(samples) < (1 if kind == "latest" else MOST_SAMPLES):
            samples.setdefault(shape(value), value)
        self.shown.add(kind)
        self.shown |= {f"matched {member}" for reason in value.get("matched", ()) for member in reason}
        if kind.startswith("certificate_update"):
            self.shown |= {"fault"} & value.keys()
            leaf = value["data"]["leaf_cert"]
            self.shown |= {"parse_error"} & leaf.keys() | {"ctlPoisonByte"} & leaf["extensions"].keys()
            if value["data"].get("chain") == []:
                self.shown.add("an empty chain")

    def changes(self):
        """No sample may be valid after a change. Returns the number of changes."""
        count = 0
        for kind, samples in self.samples.items():
            validator = self.contracts.schema(kind)
            for sample in samples.values():
                for what, changed in mutations(kind, sample):
                    count += 1
                    if validator.is_valid(changed):
                        self.faults.append(f"{kind} is valid {what}")
        return count


def main():
    seconds, opened, closed, hook, folder, *received = sys.argv[1:]
    contracts = Contracts()
    hook = Hook(contracts, int(hook))
    check, routes = Check(contracts), contracts_routes.Routes(contracts, opened)
    filter_name = contracts_routes.open_server(routes)
    wait_for_entries(routes)
    listeners = [Listener(opened, *subscription, float(seconds), check.of_listener)
                 for subscription in subscriptions(filter_name)]
    for listener in listeners:
        listener.start()
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        time.sleep(min(3, max(0, end - time.monotonic() - 1)) + 0.5)
        contracts_routes.state(routes)
    for listener in listeners:
        listener.join(60)
        if listener.fault or listener.is_alive():
            check.faults.append(f"{listener}: {listener.fault or 'it does not end'}")
    check.faults += [f"{listener}: nothing was received" for listener in listeners if not listener.count]
    tokens = {"lite": "lite-token-for-tests", "filtered": "filtered-token-for-tests"}
    others = contracts_routes.Routes(contracts, closed)
    contracts_routes.closed_server(others, tokens)
    for file in sorted(pathlib.Path(*received).glob("*.jsonl")) if received else []:
        stream = file.name.split(".")[1]
        # A line of ours ends with a line feed alone.
        for text in filter(None, file.read_text().split("\n")):
            check.message(text, check.channel("/ndjson"), file.name, stream)
    check.faults += [f"nothing was shown of: {name}" for name in sorted(EXPECTED - check.shown)]
    for kind, values in [*routes.samples.items(), *others.samples.items()]:
        for value in values:
            check.sample(kind, value)
    for value in hook.samples:
        check.sample("webhook_delivery", value)
    if not hook.messages:
        check.faults.append("no webhook was sent")
    changes = check.changes()
    write_samples(pathlib.Path(folder), check)
    faults = routes.faults + others.faults + hook.faults + check.faults
    for fault, times in collections.Counter(faults).most_common(40):
        print(f"{fault} ({times} times)" if times > 1 else fault)
    for where, count in sorted(check.counts.items()):
        print(f"{count:7} messages of {where}")
    print(f"{len(check.valid)} different messages, {routes.answers + others.answers} answers, {changes} changed ones, "
          f"{len(faults)} faults")
    sys.exit(len(faults) > 0)


def wait_for_entries(routes):
    """Waits until there are as many as /latest.json and /develop have."""
    end = time.monotonic() + 30
    while len(routes.check("GET", "/latest.json", status=200)["messages"]) < 25 and time.monotonic() < end:
        time.sleep(0.2)


def write_samples(folder, check):
    for kind, samples in check.samples.items():
        if kind == "webhook_delivery":
            continue  # It has the types of its messages.
        lines = (json.dumps(sample) + "\n" for sample in samples.values())
        (folder / f"{kind}.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    main()
