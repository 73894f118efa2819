"""Runs all pods of rendered manifests: python3 scripts/kubernetes_run.py MANIFESTS SERVER NATS_SERVER FOLDER

It must be called as root, in network, mount and process namespaces of its own, with which all ends that it has started. It does
what matters here of what a node of Kubernetes does: each pod has an address on a bridge, its configuration and volumes, a root
that cannot be written, and its user without capabilities. The image's place is taken by this machine's /usr with SERVER and
NATS_SERVER, and that of the public logs by those of the demo.
"""

import asyncio
import contextlib
import http.client
import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import sys
import time

from kubernetes_lib import documents, fail, image_state_folder, image_user, is_program, matches, of_kind, workloads

NODE = "10.83.28.1"
# Longer than a startupProbe allows would help nobody, shorter is better for those who wait for this script.
STARTUP_SECONDS = 60
ENTRIES = 20


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def get(address, port, path):
    connection = http.client.HTTPConnection(address, port, timeout=5)
    connection.request("GET", path)
    return connection.getresponse()


class Pod:
    """One pod of a workload, as a process."""

    def __init__(self, workload, number, address, folder):
        template = workload["spec"]["template"]
        self.name = f"{workload['metadata']['name']}-{number}"
        self.host = f"{self.name}.{workload['spec'].get('serviceName', '')}"
        self.address = address
        self.labels = template["metadata"]["labels"]
        self.spec = template["spec"]
        (self.container,) = self.spec["containers"]
        self.folder = folder / self.name
        self.user = self.spec["securityContext"]["runAsUser"]
        self.process = None

    def variables(self, secret):
        """As the container gets them; a value may refer to those before it."""
        values = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        if is_program(self.container):
            values["CERTSTREAM_STATE_DIR"] = image_state_folder()
        for variable in self.container.get("env", []):
            source = variable.get("valueFrom", {})
            if source.get("fieldRef", {}).get("fieldPath") == "metadata.name":
                values[variable["name"]] = self.name
            elif "secretKeyRef" in source:
                values[variable["name"]] = secret
            else:
                values[variable["name"]] = expand(variable["value"], values)
        return values

    def command(self, values):
        container = self.container
        entry = container.get("command") or (["certstream-server"] if is_program(container) else [])
        return [expand(word, values) for word in entry + container.get("args", [])]

    def lay_out(self, config_maps, logs, hosts):
        """Makes its folders, and returns the commands that make its root of them."""
        root = self.folder / "root"
        for name in ("usr", "dev", "proc", "sys", "etc/ssl/certs"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "etc/hosts").write_text(hosts)
        steps = [f"mount --bind {root} {root}"]
        steps += [f"mount --rbind /{name} {root}/{name}" for name in ("usr", "dev", "proc", "etc/ssl/certs")]
        steps.append(f"mount --bind {self.folder.parent}/bin {root}/usr/local/bin")
        volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            inside = root / mount["mountPath"].lstrip("/")
            inside.mkdir(parents=True, exist_ok=True)
            config_map = volumes.get(mount["name"], {}).get("configMap")
            if config_map:
                for file, text in config_maps[config_map["name"]].items():
                    (inside / file).write_text(text + (logs if "[fetch]" in text else ""))
            else:
                volume = self.folder / mount["name"]
                volume.mkdir()
                os.chown(volume, 0, self.spec["securityContext"]["fsGroup"])
                volume.chmod(0o2775)
                steps.append(f"mount --bind {volume} {inside}")
        # Of the mounts, this is the one of the root alone.
        return [*steps, f"mount -o remount,bind,ro {root}"]

    def start(self, config_maps, logs, hosts, secret):
        steps = self.lay_out(config_maps, logs, hosts)
        context = self.spec["securityContext"]
        # With a log list of its own, a server would need the internet.
        values = self.variables(secret) | {"CERTSTREAM_LOG_LIST_ENABLED": "false"}
        words = ["chroot", str(self.folder / "root"), *confined(context), "env", "-i",
                 *(f"{name}={value}" for name, value in values.items()), *self.command(values)]
        script = "\n".join(["set -e", "read -r _", *steps, 'exec "$@"'])
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", script, "sh", *words], text=True,
                                            stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        self.connect()
        self.process.stdin.write("go\n")
        self.process.stdin.close()

    def connect(self):
        pid, link = str(self.process.pid), f"pod{self.address.rpartition('.')[2]}"
        while os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "link", "set", link, "master", "bridge", "up")
        inside = ("nsenter", "--target", pid, "--net", "ip")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "address", "add", f"{self.address}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")

    def fail(self, text):
        log = (self.folder / "log").read_text()[-3000:]
        fail(f"{self.name}: {text}\nthe last lines of its log:\n{log}")

    def port(self, name):
        ports = self.container["ports"]
        return next(port["containerPort"] for port in ports if name in (port["name"], port["containerPort"]))

    def succeeds(self, probe):
        """Whether the probe does, within its timeout."""
        if "httpGet" in probe:
            with contextlib.suppress(OSError):
                # As the kubelet sees it.
                return 200 <= get(self.address, self.port(probe["httpGet"]["port"]), probe["httpGet"]["path"]).status < 400
            return False
        command = ["nsenter", "--target", str(self.process.pid), "--net", "--mount", "--root", "--wd=/",
                   *confined(self.spec["securityContext"]), *probe["exec"]["command"]]
        return subprocess.run(command, timeout=probe["timeoutSeconds"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def becomes_ready(self):
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            end = time.monotonic() + STARTUP_SECONDS
            while not self.succeeds(self.container[name]):
                if self.process.poll() is not None:
                    self.fail(f"it has ended with status {self.process.returncode}")
                if time.monotonic() > end:
                    self.fail(f"its {name} does not succeed")
                time.sleep(0.2)

    def check_process(self):
        """Its user, and its ports: it listens on those that it names, and on no other but within the pod."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        for field, expected in (("Uid", str(self.user)), ("CapEff", "0" * 16), ("CapBnd", "0" * 16), ("NoNewPrivs", "1")):
            found = re.search(rf"^{field}:\s+(\S+)", status, re.M)[1]
            if found != expected:
                self.fail(f"{field} is {found}")
        lines = run("nsenter", "--target", str(self.process.pid), "--net", "ss", "-Hltn").splitlines()
        listened = {line.split()[3] for line in lines}
        listened = {int(place.rpartition(":")[2]) for place in listened if not place.startswith(("127.", "[::1]"))}
        named = {port["containerPort"] for port in self.container["ports"]}
        if listened != named:
            self.fail(f"it listens on {sorted(listened)}, and names {sorted(named)}")

    def stop(self):
        """The time that it has taken to end."""
        hook = self.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(self.spec["terminationGracePeriodSeconds"] - hook)
        except subprocess.TimeoutExpired:
            self.fail("it would have been killed after SIGTERM")
        if status != 0 and is_program(self.container):
            self.fail(f"exit status {status} after SIGTERM")
        return time.monotonic() - begin


def expand(text, values):
    return re.sub(r"\$\((\w+)\)", lambda found: values.get(found[1], found[0]), text)


def confined(context):
    return ["setpriv", f"--reuid={context['runAsUser']}", f"--regid={context['runAsGroup']}", "--clear-groups",
            "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def start_demo(server, folder):
    """The demo's logs, as [[logs]] of a configuration, and their ports: those of the node, to which they are forwarded."""
    output = open(folder / "demo.log", "w")
    environment = os.environ | {"PORT": "0", "RUST_LOG": "info"}
    demo = subprocess.Popen([server, "demo", "--rate", "50"], stdout=output, stderr=subprocess.STDOUT, env=environment)
    while not (found := re.search(r"listening on \S*:(\d+);", (folder / "demo.log").read_text())):
        if demo.poll() is not None:
            fail(f"the demo: {(folder / 'demo.log').read_text()}")
        time.sleep(0.1)
    sections, ports = "", []
    for log in json.load(get("127.0.0.1", int(found[1]), "/status.json"))["logs"]:
        place = log["url"].removeprefix("http://").rstrip("/")
        ports.append(int(place.rpartition(":")[2]))
        sections += f'\n[[logs]]\nurl = "http://{NODE}:{ports[-1]}"\ntype = "{log["protocol"]}"\n'
        sections += f'origin = "{place}"\nstart = 0\n'
    return sections, ports


async def forward(ports):
    """Connects ports of the node's address with the same ports of this machine."""
    async def pump(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(port):
        async def accept(reader, writer):
            theirs = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, theirs[1]), pump(theirs[0], writer))
        await (await asyncio.start_server(accept, NODE, port)).serve_forever()

    await asyncio.gather(*map(serve, ports))


def receive(pod, port):
    """As a client."""
    received = 0
    try:
        response = get(pod.address, port, "/ndjson?stream=domains&last=1000")
        while received < ENTRIES:
            line = response.readline()
            if b'"dns_entries"' in line:
                received += 1
            elif b'"heartbeat"' not in line:
                pod.fail(f"a client received {line}")
    except OSError as error:
        pod.fail(f"a client received {received} entries, and then: {error}")


def check_service(service, pods):
    """Clients of a Service that has a port for them receive entries, and have no access to the figures."""
    selected = [pod for pod in pods if matches(service["spec"]["selector"], pod.labels)]
    ports = {port["name"]: port.get("targetPort", port["port"]) for port in service["spec"]["ports"]}
    for pod in selected:
        if "http" in ports:
            receive(pod, pod.port(ports["http"]))
            if get(pod.address, pod.port(ports["http"]), "/metrics").status != 404:
                pod.fail("clients can read the figures")
        if "admin" in [port["name"] for port in pod.container["ports"]]:
            if b"certstream_" not in get(pod.address, pod.port("admin"), "/metrics").read():
                pod.fail("there are no figures for Prometheus")


def main():
    manifests, server, nats, folder = sys.argv[1:]
    resources = documents(manifests)
    folder = pathlib.Path(folder, pathlib.Path(manifests).stem)
    programs = folder / "bin"
    programs.mkdir(parents=True)
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    for name, program in (("certstream-server", server), ("nats-server", nats)):
        (programs / name).write_bytes(pathlib.Path(program).read_bytes())
        (programs / name).chmod(0o755)

    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "bridge", "type", "bridge", "forward_delay", "0")
    run("ip", "address", "add", f"{NODE}/24", "dev", "bridge")
    run("ip", "link", "set", "bridge", "up")
    logs, ports = start_demo(server, folder)
    if os.fork() == 0:
        asyncio.run(forward(ports))

    pods = []
    for workload in workloads(resources):
        for number in range(workload["spec"]["replicas"]):
            pods.append(Pod(workload, number, f"10.83.28.{10 + len(pods)}", folder))
    config_maps = {resource["metadata"]["name"]: resource["data"] for resource in of_kind(resources, "ConfigMap")}
    hosts = "127.0.0.1 localhost\n" + "".join(f"{pod.address} {pod.host}\n" for pod in pods)
    secret = secrets.token_hex(16)
    begin = time.monotonic()
    for pod in pods:
        pod.start(config_maps, logs, hosts, secret)
    for pod in pods:
        pod.becomes_ready()
    ready = time.monotonic() - begin
    for pod in pods:
        pod.check_process()
    for service in of_kind(resources, "Service"):
        check_service(service, pods)
    took = [pod.stop() for pod in sorted(pods, key=lambda pod: not is_program(pod.container))]
    print(f"{folder.name}: {len(pods)} pods ready after {ready:.1f} s, as user {image_user()}; "
          f"the last one ended {max(took):.1f} s after SIGTERM")


main()
