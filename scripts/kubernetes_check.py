"""Checks rendered manifests: python3 scripts/kubernetes_check.py FOLDER NAME

FOLDER/NAME.yaml is checked against the schemas of the oldest version of Kubernetes that it is for, and of the newest one;
with a member misspelt, it must not pass. Names that refer to something must refer to something that is there. The
configurations in it are written to FOLDER.
"""

import copy
import pathlib
import sys

import kubernetes_validate

from kubernetes_lib import documents, fail, image_state_folder, image_user, is_program, matches, of_kind, workloads

# The sleep of preStop is in 1.30 and later.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
# Members whose own members have names of the user's choice.
FREE = {"data", "labels", "annotations", "matchLabels", "selector", "nodeSelector", "requests", "limits"}
# The longest time that the program takes to end.
DRAIN_SECONDS = 10


def is_valid(resource, version):
    try:
        kubernetes_validate.validate(resource, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return False, f"{'.'.join(map(str, error.path))}: {error.message}"
    return True, ""


def members(value, path=()):
    """The paths of all members whose names Kubernetes defines."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            if name not in FREE or "matchLabels" in inner:
                yield from members(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from members(inner, (*path, place))


def misspelt(resource, path):
    changed = copy.deepcopy(resource)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1] + "x"] = parent.pop(path[-1])
    return changed


def check_schemas(resources):
    """The number of members that were misspelt: each once, wherever it stands in resources of this kind."""
    seen = set()
    for resource in resources:
        for version in VERSIONS:
            valid, why = is_valid(resource, version)
            if not valid:
                fail(f"{resource['kind']} {resource['metadata']['name']}, Kubernetes {version}: {why}")
        for path in members(resource):
            place = resource["kind"], *(step for step in path if isinstance(step, str))
            if place in seen or path[-1] in ("kind", "apiVersion"):
                continue
            seen.add(place)
            if is_valid(misspelt(resource, path), VERSIONS[-1])[0]:
                fail(f"{'.'.join(place)} could be misspelt, and nobody would notice")
    return len(seen)


def check_pod(workload, config_maps):
    name, template = workload["metadata"]["name"], workload["spec"]["template"]
    pod = template["spec"]
    context, (container,) = pod["securityContext"], pod["containers"]
    if not matches(workload["spec"]["selector"]["matchLabels"], template["metadata"]["labels"]):
        fail(f"{name} does not select its own pods")
    if not (context["runAsNonRoot"] and context["seccompProfile"]["type"] == "RuntimeDefault"
            and context["runAsUser"] == context["runAsGroup"] == context["fsGroup"]):
        fail(f"{name}: the pod has rights that it does not need")
    own = container["securityContext"]
    if own != {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}:
        fail(f"{name}: the container has rights that it does not need: {own}")
    # With the variables of Services, the program does not start.
    if pod["automountServiceAccountToken"] or pod["enableServiceLinks"]:
        fail(f"{name}: the pod has a token or the variables of Services")
    claims = workload["spec"].get("volumeClaimTemplates", [])
    volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in claims}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    if {mount["name"] for mount in mounts.values()} != volumes:
        fail(f"{name}: volumes {volumes} and mounts {sorted(mounts)}")
    for volume in pod["volumes"]:
        if "configMap" in volume and volume["configMap"]["name"] not in config_maps:
            fail(f"{name}: there is no ConfigMap {volume['configMap']['name']}")
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if "httpGet" in container[probe] and container[probe]["httpGet"]["port"] not in ports:
            fail(f"{name}: {probe} asks a port that the container does not name")
    if is_program(container):
        check_program(name, pod, container, mounts)


def check_program(name, pod, container, mounts):
    if pod["securityContext"]["runAsUser"] != image_user():
        fail(f"{name}: the user of the image is {image_user()}")
    if image_state_folder() not in mounts:
        fail(f"{name}: the state, {image_state_folder()}, is not on a volume")
    before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if pod["terminationGracePeriodSeconds"] < before + DRAIN_SECONDS + 5:
        fail(f"{name}: terminationGracePeriodSeconds is too short for {before} + {DRAIN_SECONDS} s")


def check_references(resources):
    """Services and policies must select pods, and ports be those of all pods that a Service selects."""
    pods = [workload["spec"]["template"] for workload in workloads(resources)]

    def selected(selector, what):
        found = [pod for pod in pods if matches(selector, pod["metadata"]["labels"])]
        if not found:
            fail(f"{what} selects nothing")
        return found

    for service in of_kind(resources, "Service"):
        for pod in selected(service["spec"]["selector"], f"the Service {service['metadata']['name']}"):
            ports = pod["spec"]["containers"][0]["ports"]
            names = {port["name"] for port in ports} | {port["containerPort"] for port in ports}
            for port in service["spec"]["ports"]:
                if port.get("targetPort", port["port"]) not in names:
                    fail(f"the Service {service['metadata']['name']}: no pod has the port {port}")
    for budget in of_kind(resources, "PodDisruptionBudget"):
        selected(budget["spec"]["selector"]["matchLabels"], f"the budget {budget['metadata']['name']}")
    for policy in of_kind(resources, "NetworkPolicy"):
        selected(policy["spec"]["podSelector"]["matchLabels"], f"the policy {policy['metadata']['name']}")
        for rule in policy["spec"]["ingress"]:
            for source in rule["from"]:
                selected(source["podSelector"]["matchLabels"], f"the policy {policy['metadata']['name']}")
    services = {service["metadata"]["name"] for service in of_kind(resources, "Service")}
    for workload in of_kind(resources, "StatefulSet"):
        if workload["spec"]["serviceName"] not in services:
            fail(f"{workload['metadata']['name']}: there is no Service {workload['spec']['serviceName']}")


def main():
    folder, name = sys.argv[1:]
    resources = documents(f"{folder}/{name}.yaml")
    count = check_schemas(resources)
    config_maps = {resource["metadata"]["name"]: resource["data"] for resource in of_kind(resources, "ConfigMap")}
    for workload in workloads(resources):
        check_pod(workload, config_maps)
    check_references(resources)
    for data in config_maps.values():
        for file, text in data.items():
            pathlib.Path(folder, f"{name}-{file}").write_text(text)
    print(f"{name}: {len(resources)} resources are valid in Kubernetes {' and '.join(VERSIONS)}; "
          f"{count} misspelt members are refused")


main()
