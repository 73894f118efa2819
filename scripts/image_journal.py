#!/usr/bin/env python3
"""What a server's journal had before a restart, and what it has after: image_journal.py BEFORE AFTER

Both are responses of /ndjson. Exit status 0 if everything from before is still there, unchanged, and each log goes on with the
next index.
"""
import json
import sys


def entries(name):
    with open(name) as lines:
        messages = [json.loads(line) for line in lines]
    return [(m["seq"], m["data"]["source"]["url"], m["data"]["cert_index"])
            for m in messages if m["message_type"] == "certificate_update"]


before, after = map(entries, sys.argv[1:])
faults = [] if before and after[:len(before)] == before else ["entries from before are missing or different"]
due = {}
for seq, log, index in after:
    if index != due.get(log, 0):
        faults.append(f"{log}: index {index} where {due.get(log, 0)} was due, seq {seq}")
    due[log] = index + 1
print(f"journal: {len(before)} entries before the restart, {len(after)} after it, of {len(due)} logs", *faults[:5], sep="; ")
sys.exit(bool(faults))
