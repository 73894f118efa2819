#!/usr/bin/env python3
"""Listens with the plain `websockets` package: smoke_websockets.py URL SECONDS

Exit status 0 if messages came, none was missing, and the connection held.
"""
import asyncio
import json
import sys

import websockets

from smoke_tally import Tally, arguments


async def listen(url, tally):
    async with websockets.connect(url) as socket:
        async for message in socket:
            tally.take(json.loads(message))
    tally.faults.append(f"closed by the server with code {socket.close_code}")


async def main():
    url, seconds = arguments()
    tally = Tally()
    try:
        await asyncio.wait_for(listen(url, tally), seconds)
    except asyncio.TimeoutError:
        pass  # the time is over, and the connection still stands
    except (OSError, websockets.WebSocketException) as error:
        tally.faults.append(f"{type(error).__name__}: {error}")
    return tally.report(f"python websockets {websockets.__version__}")


sys.exit(asyncio.run(main()))
