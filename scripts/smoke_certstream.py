#!/usr/bin/env python3
"""Listens with the unmodified `certstream` package: smoke_certstream.py URL SECONDS

Exit status 0 if messages came, none was missing, and the connection was made once and held.
"""
import importlib.metadata
import os
import threading
import time

import certstream

from smoke_tally import Tally, arguments

url, seconds = arguments()
tally = Tally()
opened = []


def on_open():
    opened.append(time.monotonic())
    if len(opened) > 1:
        tally.faults.append("connected again")


def listen():
    # listen_for_events never returns: it connects again after every error and after every close.
    certstream.listen_for_events(
        lambda message, context: tally.take(message),
        url=url,
        skip_heartbeats=False,
        on_open=on_open,
        on_error=lambda error: tally.faults.append(f"error: {error}"),
    )


threading.Thread(target=listen, daemon=True).start()
time.sleep(seconds)
status = tally.report(f"python certstream {importlib.metadata.version('certstream')}")
os._exit(status)  # the listening thread has no end
