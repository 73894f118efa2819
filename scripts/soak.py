"""Soak: clients come and go while the demo streams; memory and descriptors must stay what they were.

usage: soak.py SERVER_BINARY SECONDS OUT.svg [CLIENTS] [RATE]

Starts `SERVER_BINARY demo`, keeps CLIENTS (200) connections that stay for 1 to 60 s each, on all streams, and samples the
server's resident memory and descriptors each second. Fails if memory at the end is more than 10% above that after five
minutes (or a twelfth of the time, if that is less), if descriptors have grown, or if the log file has warnings or errors.
Draws both over time into OUT.svg.
"""

import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
import time

STREAMS = {"/domains-only": 6, "/lite-stream": 3, "/full-stream": 1}
HANDSHAKE = (
    "GET {} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def client(port, totals, end):
    """One client after the other, in one place."""
    while time.monotonic() < end:
        path = random.choices(list(STREAMS), STREAMS.values())[0]
        stay = min(time.monotonic() + random.uniform(1, 60), end)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        writer.write(HANDSHAKE.format(path).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        totals["connections"] += 1
        while (left := stay - time.monotonic()) > 0:
            try:
                data = await asyncio.wait_for(reader.read(1 << 20), left)
            except asyncio.TimeoutError:
                break
            assert data, "the server ended a connection"
            totals["bytes"] += len(data)
        writer.transport.abort() if random.random() < 0.5 else writer.close()


def sample(pid):
    """Resident memory in MB, and descriptors."""
    status = open(f"/proc/{pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024, len(os.listdir(f"/proc/{pid}/fd"))


async def watch(pid, samples, end):
    begin = time.monotonic()
    while time.monotonic() < end:
        samples.append((time.monotonic() - begin, *sample(pid)))
        await asyncio.sleep(1)


def start(server, rate, log):
    """The demo on a port that the system chooses, and that port."""
    environment = {**os.environ, "PORT": "0", "RUST_LOG": "info"}
    process = subprocess.Popen([server, "demo", "--rate", str(rate)], stderr=open(log, "w"), env=environment)
    for _ in range(200):
        if found := re.search(r"listening on \S*:(\d+);", open(log).read()):
            return process, int(found[1])
        time.sleep(0.1)
    sys.exit("the server did not start: " + open(log).read())


async def run(server, seconds, clients, rate, log):
    process, port = start(server, rate, log)
    totals, samples, end = {"connections": 0, "bytes": 0}, [], time.monotonic() + seconds
    try:
        await asyncio.gather(watch(process.pid, samples, end), *(client(port, totals, end) for _ in range(clients)))
        assert process.poll() is None, "the server ended"
        return samples, totals
    finally:
        process.terminate()
        process.wait()


def median(values):
    return sorted(values)[len(values) // 2]


def judge(samples, seconds, log):
    """What is wrong, if anything is."""
    begin = min(300, seconds / 12)
    near = lambda at: [s for s in samples if abs(s[0] - at) <= max(10, seconds / 60)]
    early, late = near(begin), near(seconds - 1)
    memory = median([s[1] for s in early]), median([s[1] for s in late])
    descriptors = max(s[2] for s in early), max(s[2] for s in late)
    lines = [line for line in open(log) if re.search(r" (WARN|ERROR) |panicked", line) and "fetch.contact" not in line]
    print(f"memory {memory[0]:.1f} MB after {begin:.0f} s, {memory[1]:.1f} MB at the end", end="; ")
    print(f"descriptors at most {descriptors[0]} and {descriptors[1]}; {len(lines)} warnings and errors")
    wrong = [line.strip() for line in lines[:5]]
    if memory[1] > memory[0] * 1.1:
        wrong.append("memory has grown by more than 10%")
    if descriptors[1] > descriptors[0] * 1.1 + 10:
        wrong.append("descriptors have grown")
    return wrong


def draw(samples, seconds, title, out):
    """Two lines over time, as SVG."""
    width, height, left, top = 720, 200, 60, 40
    x = lambda t: left + t / seconds * width
    step = max(1, len(samples) // 720)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 20} {2 * (height + top) + 40}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{left}" y="20" font-size="14">{title}</text>',
    ]
    for row, (column, name, colour) in enumerate([(1, "resident memory, MB", "#1b6"), (2, "open descriptors", "#36c")]):
        base, most = top + row * (height + top) + height, max(s[column] for s in samples) * 1.15
        y = lambda value: base - value / most * (height - 20)
        points = " ".join(f"{x(s[0]):.1f},{y(s[column]):.1f}" for s in samples[::step])
        parts.append(f'<text x="{left}" y="{base - height + 14}">{name}</text>')
        for share in (0, 0.5, 1):
            value = most / 1.15 * share
            parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>')
            parts.append(f'<text x="{left - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.0f}</text>')
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    bottom = 2 * (height + top) + 20
    for quarter in range(5):
        t = seconds * quarter / 4
        parts.append(f'<text x="{x(t):.0f}" y="{bottom}" text-anchor="middle">{t / 60:.0f} min</text>')
    with open(out, "w") as file:
        file.write("\n".join([*parts, "</svg>"]) + "\n")


def main():
    server, seconds, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    clients, rate = (int(n) for n in (sys.argv[4:] + ["200", "1000"][len(sys.argv) - 4 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/log"
        samples, totals = asyncio.run(run(os.path.abspath(server), seconds, clients, rate, log))
        print(f"{totals['connections']} connections, {totals['bytes'] / 1e9:.1f} GB", end="; ")
        title = f"{clients} clients coming and going, {rate} certificates a second"
        draw(samples, seconds, title, out)
        if wrong := judge(samples, seconds, log):
            sys.exit("failed: " + "; ".join(wrong))


main()
