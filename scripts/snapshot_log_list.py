#!/usr/bin/env python3
"""Reduces a v3 log list to the facts that are built into the binary.

    scripts/snapshot_log_list.py log_list.json > src/log_list/snapshot.json

The list is one whose signature was checked, such as a saved https://www.gstatic.com/ct/log_list/v3/log_list.json.
What comes out has the same shape, so that the same code reads it: names, operators, URLs, keys, log ids, merge
delays, states and intervals. Contact addresses and the histories of states stay behind.
"""

import base64
import hashlib
import json
import sys

FACTS = ("description", "log_id", "key", "url", "submission_url", "monitoring_url", "mmd")


def reduced(log):
    if hashlib.sha256(base64.b64decode(log["key"])).digest() != base64.b64decode(log["log_id"]):
        sys.exit(f"log {log['description']}: its log_id is not the SHA-256 of its key")
    facts = {name: log[name] for name in FACTS if name in log}
    if "state" in log:
        facts["state"] = {name: {} for name in log["state"]}
    for name in ("temporal_interval", "log_type"):
        if name in log:
            facts[name] = log[name]
    return facts


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        full = json.load(file)
    if "log_list_timestamp" not in full:
        sys.exit("the list has no log_list_timestamp, and a snapshot without a date helps nobody")
    operators = [
        {"name": operator["name"]}
        | {array: [reduced(log) for log in operator.get(array, [])] for array in ("logs", "tiled_logs")}
        for operator in full["operators"]
    ]
    snapshot = {name: full[name] for name in ("version", "log_list_timestamp")}
    json.dump(snapshot | {"operators": operators}, sys.stdout, indent=1, ensure_ascii=False)
    print()


main()
