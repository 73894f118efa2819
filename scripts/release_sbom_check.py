"""Checks an SBOM: python3 scripts/release_sbom_check.py SBOM PROGRAM TARGET FEATURES

It must be valid CycloneDX, belong to PROGRAM, and name the crates that `cargo tree` has for TARGET and FEATURES, without those
that only run while the program is built, and no others. Beside them it must name the C libraries of which the program has
strings.
"""

import hashlib
import json
import pathlib
import subprocess
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

# The C libraries that features bring along.
LIBRARIES = {"vendored-openssl": "openssl", "kafka": "librdkafka"}


def tree(target, features, edges):
    command = ["cargo", "tree", "--locked", "--edges", edges, "--target", target, "--no-default-features",
               "--features", features, "--prefix", "none", "--format", "{p}"]
    lines = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()
    return {(line.split()[0], line.split()[1].removeprefix("v")) for line in lines if line}


def check_dependencies(document):
    """Each part has its dependencies, and is one of the program, directly or not."""
    refs = {part["bom-ref"] for part in [document["metadata"]["component"], *document["components"]]}
    depends = {node["ref"]: node["dependsOn"] for node in document["dependencies"]}
    reached, waiting = set(), [document["metadata"]["component"]["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += depends.get(ref, [])
    if not refs == depends.keys() == reached:
        sys.exit(f"failed: the dependencies of {sorted((refs ^ depends.keys()) | (refs ^ reached))}")


def main():
    path, program, target, features = sys.argv[1:]
    text = pathlib.Path(path).read_text()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        sys.exit(f"failed: not valid: {error}")
    document = json.loads(text)
    described = document["metadata"]["component"]
    binary = pathlib.Path(program).read_bytes()
    if described["hashes"][0]["content"] != hashlib.sha256(binary).hexdigest():
        sys.exit("failed: the SBOM is that of another program")

    components = document["components"]
    crates = {(part["name"], part["version"]) for part in components if part["purl"].startswith("pkg:cargo/")}
    expected = tree(target, features, "normal,no-proc-macro") - {(described["name"], described["version"])}
    if crates != expected:
        sys.exit(f"failed: not in the SBOM: {sorted(expected - crates)}; only there: {sorted(crates - expected)}")
    libraries = {part["name"]: part["version"] for part in components if part["purl"].startswith("pkg:generic/")}
    needed = {"zstd"} | {library for feature, library in LIBRARIES.items() if feature in features.split()}
    if libraries.keys() != needed:
        sys.exit(f"failed: the C libraries are {libraries}")
    if "openssl" in libraries and f"OpenSSL {libraries['openssl']} ".encode() not in binary:
        sys.exit(f"failed: the program does not have OpenSSL {libraries['openssl']}")
    check_dependencies(document)
    unlicensed = [part["name"] for part in components if not part.get("licenses")]
    if unlicensed:
        sys.exit(f"failed: without a licence: {unlicensed}")
    macros = len(tree(target, features, "normal")) - len(expected) - 1
    print(f"SBOM: {len(crates)} crates and {libraries}; {macros} crates of macros are not linked, and not in it")


main()
