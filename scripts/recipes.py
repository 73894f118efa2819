#!/usr/bin/env python3
"""The recipes of docs/recipes.md do what they say: scripts/recipes.py

Takes the files and commands from the page as they stand there, but for addresses. Runs those that need nothing but the program
and Python, against a demo: a receiver in the place of Slack, the files of outputs, the script that resumes over two runs, and the
import. Every configuration of the page and of the README must be valid. Commands with a tool that is not here are named, and left out.

SERVER   the binary; target/release/certstream-server
"""
import contextlib
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from free_port import free_port

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVER = pathlib.Path(os.environ.get("SERVER", ROOT / "target/release/certstream-server")).resolve()
PAGE = (ROOT / "docs/recipes.md").read_text()
SLACK = "https://hooks.slack.com/services/T000/B000/XXXX"


def fail(why):
    sys.exit(f"failed: {why}")


def blocks(language, section=PAGE):
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def section(title):
    try:
        return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    except IndexError:
        fail(f"there is no recipe {title!r}")


def named(name, language):
    """The file of the page whose first line names it."""
    found = [text for text in blocks(language) if re.match(rf"# {re.escape(name)}\n", text)]
    if len(found) != 1:
        fail(f"{len(found)} blocks are called {name}")
    return found[0]


def replaced(text, old, new):
    if text.count(old) != 1:
        fail(f"{old!r} is there {text.count(old)} times:\n{text}")
    return text.replace(old, new)


def wait_for(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            fail(f"{what} did not come in {seconds} s")
        time.sleep(0.1)


class Slack(http.server.BaseHTTPRequestHandler):
    texts = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.texts.append(json.loads(body)["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def running(work, command, **environment):
    """A program that runs until the end of the block; what it says is in work/log."""
    with open(work / "log", "ab") as log:
        process = subprocess.Popen(command, cwd=work, stdout=log, stderr=log, env={**os.environ, **environment})
        try:
            yield
        except BaseException:
            print((work / "log").read_text()[-2000:], file=sys.stderr)
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def commands(work, title, check):
    """Runs the commands of a recipe. `check` says whether what they print is right."""
    for text in blocks("sh", section(title)):
        missing = [tool for tool in ("jq", "zstdcat") if re.search(rf"\b{tool}\b", text) and not shutil.which(tool)]
        if missing:
            print(f"SKIPPED: {title}: {' and '.join(missing)} not here")
            continue
        path = f"{work / 'bin'}:{os.environ['PATH']}"
        # Without pipefail, as in a user's shell: head ends what is before it.
        ran = subprocess.run(
            ["bash", "-eu", "-c", text], cwd=work, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60
        )
        if ran.returncode or ran.stderr or not check(ran.stdout):
            fail(f"{title}: status {ran.returncode}:\n{text}{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
        print(f"{title}: {len(ran.stdout.splitlines())} lines from: {text.splitlines()[-1][:70]}")


def check_configurations(work):
    """Each file is valid. A build without the feature that an output needs says so, which proves as much as it can."""
    (work / "password").write_text("secret\n")
    in_readme = [f"# README.toml\n{text}" for text in blocks("toml", (ROOT / "README.md").read_text())]
    for text in blocks("toml") + in_readme:
        name = text.split("\n")[0].removeprefix("# ")
        file = work / name
        file.write_text(text.replace("/run/secrets/kafka", str(work / "password")))
        ran = subprocess.run([SERVER, "check-config", "--config", file], capture_output=True, text=True)
        if ran.returncode and "--features" not in ran.stderr:
            fail(f"{name}: {ran.stderr}")
        without = ", but for its output: the build lacks the feature" if ran.returncode else ""
        print(f"{name} is valid{without}")


def deliveries(work, receiver, receiver_port):
    """The configuration of several recipes together."""
    slack = f'http://127.0.0.1:{receiver.server_port}/"\nallow_internal = true\n#"'
    alerts = replaced(named("my-domains.toml", "toml"), f'{SLACK}"', slack)
    alerts = replaced(alerts, 'batch_wait = "1m"', 'batch_wait = "1s"')
    own = replaced(named("receiver.toml", "toml"), ":9000/", f":{receiver_port}/")
    (work / "all.toml").write_text(alerts + named("lookalikes.toml", "toml") + named("archive.toml", "toml") + own)


def is_alert(text):
    return text.startswith("my-domains: ") and re.search(r"`[^`]*\.?example\.(com|org)`", text)


def own_receiver(work, address, port):
    """The receiver gets everything in order, also when it is killed in between."""
    (work / "receiver.py").write_text(replaced(named("receiver.py", "python"), "9000", str(port)))

    first = seqs_printed(work, "receiver.py", "received")
    second = seqs_printed(work, "receiver.py", "received again")
    # It may be killed before it has saved what it has printed.
    second = [seq for seq in second if seq > first[-1]]
    expected = seqs_due(address, first[0], (first + second)[-1])
    if first + second != expected:
        fail(f"receiver.py has printed {first} and then {second}, but these were due: {expected}")
    print(f"A receiver of my own: {len(expected)} certificates in two runs")


def seqs_printed(work, script, name):
    """Runs a script until it has printed some certificates. Returns the numbers that its lines begin with."""
    with open(work / name, "wb") as out:
        process = subprocess.Popen([sys.executable, script], cwd=work, stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_for(f"what {script} prints", lambda: (work / name).read_text().count("\n") >= 5)
        finally:
            process.kill()
            process.wait()
    return [int(line.split()[0]) for line in (work / name).read_text().splitlines()]


def seqs_due(address, first, last):
    """The numbers of the certificates for example.com from the first to the last."""
    query = f"stream=lite&domain=example.com&cursor={first - 1}&before={last + 1}"
    with urllib.request.urlopen(f"http://{address}/ndjson?{query}") as lines:
        messages = [json.loads(line) for line in lines]
    return [message["seq"] for message in messages if message["message_type"] == "certificate_update"]


def resume(work, address):
    """The script resumes: two runs have everything in between, once and in order."""
    (work / "resume.py").write_text(replaced(named("resume.py", "python"), "localhost:8080", address))

    first = seqs_printed(work, "resume.py", "first")
    time.sleep(2)
    second = seqs_printed(work, "resume.py", "second")
    expected = seqs_due(address, first[0], second[-1])
    # One message may be repeated: the script is killed, and may not have saved its number.
    if first[-1] == second[0]:
        second = second[1:]
    if first + second != expected:
        fail(f"resume.py has printed {first} and then {second}, but these were due: {expected}")
    print(f"A script that resumes: {len(expected)} certificates in two runs")


def main():
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "bin").mkdir()
        (work / "bin/certstream-server").symlink_to(SERVER)
        check_configurations(work)

        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slack)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        receiver_port = free_port()
        deliveries(work, receiver, receiver_port)
        port = free_port()
        with running(work, [SERVER, "demo", "--rate", "300", "--config", "all.toml"], PORT=str(port)):
            address = wait_until_ready(work, port)
            # First, as the output waits longer with each attempt that fails.
            own_receiver(work, address, receiver_port)
            resume(work, address)
            wait_for("an alert", lambda: any(map(is_alert, Slack.texts)))
            print(f"Watch my domains and alert in Slack: {len(Slack.texts)} texts")
            wait_for("a look-alike", lambda: any(file.stat().st_size for file in work.glob("lookalikes/*.ndjson*")))
            wait_for("the archive", lambda: any(file.stat().st_size for file in work.glob("archive/archive-*")))
        # Now, as what is being written may end in the middle of a batch.
        commands(work, "Look-alikes of a brand to a file", lambda text: "zephyrbank" in text and "\t" in text)
        commands(work, "All certificates to compressed files", bool)
        commands(work, "Move from another server", lambda text: "ct.example.com/2026h2: from index 123456" in text)
    print(f"passed in {time.monotonic() - begin:.0f} s")


def wait_until_ready(work, port):
    address = f"127.0.0.1:{port}"

    def answers():
        try:
            with urllib.request.urlopen(f"http://{address}/health", timeout=2):
                return True
        except OSError:
            return False

    wait_for("the demo", answers)
    return address


main()
