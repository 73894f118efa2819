"""What is in a release: python3 scripts/release_sbom.py TARGET FEATURES PROGRAM SBOM LICENCES <MESSAGES

MESSAGES are those of `cargo build --target TARGET --message-format json`, which name each crate that was compiled for TARGET:
those are the ones that are linked, because build scripts and macros are compiled for the machine that builds. SBOM is written
as CycloneDX, with the SHA-256 of PROGRAM, and LICENCES with the licences of all that is linked. Nothing in either depends on
the machine. The tools that make SBOMs from `cargo metadata` also name crates that no feature asks for, and no OpenSSL.
"""

import datetime
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tomllib

# Libraries of C that crates bring along: which crate has the sources, how it is called among those who report
# vulnerabilities, and its licence. The version is behind the "+" in that of the crate.
LIBRARIES = {
    "ssl": ("openssl-src", "openssl", "Apache-2.0"),
    "crypto": ("openssl-src", "openssl", "Apache-2.0"),
    "rdkafka": ("rdkafka-sys", "librdkafka", "BSD-2-Clause"),
    "zstd": ("zstd-sys", "zstd", "BSD-3-Clause OR GPL-2.0-only"),
}
LICENCE_NAMES = ("licen", "copying", "copyright", "notice", "unlicense")


def linked(messages, target):
    """The package ids of the crates that were compiled for the target, and the C libraries that they bring along."""
    crates, libraries = set(), set()
    for message in map(json.loads, messages):
        if message["reason"] == "compiler-artifact":
            folders = {pathlib.Path(name).parent.parent.parent.name for name in message["filenames"]}
            if target in folders and "custom-build" not in message["target"]["kind"]:
                crates.add(message["package_id"])
        elif message["reason"] == "build-script-executed":
            libraries |= {name.removeprefix("static=") for name in message["linked_libs"] if name.startswith("static=")}
    return crates, libraries


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    made = {"type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"]}
    if package["description"]:
        made["description"] = " ".join(package["description"].split())
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["license"]:
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    made["purl"] = purl(package)
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def c_library(name, package, licence):
    version = package["version"].partition("+")[2].removeprefix(f"{name}.")
    made = {"type": "library", "bom-ref": f"pkg:generic/{name}@{version}", "name": name, "version": version}
    made["description"] = f"C library, built from the crate {package['name']}"
    made["licenses"] = [{"expression": licence}]
    if name == "openssl":
        made["cpe"] = f"cpe:2.3:a:openssl:openssl:{version}:*:*:*:*:*:*:*"
    made["purl"] = f"pkg:generic/{name}@{version}"
    return made


def licence_texts(package):
    """The licences in the package's folder, and in those of C libraries in it, by their paths."""
    folder = pathlib.Path(package["manifest_path"]).parent
    for parent in sorted([folder, *(path for path in folder.iterdir() if path.is_dir())]):
        for path in sorted(parent.iterdir()):
            if path.is_file() and path.name.lower().startswith(LICENCE_NAMES) and path.suffix not in (".rs", ".toml"):
                yield path.relative_to(folder), path.read_text(errors="replace")


def write_licences(path, packages):
    """Each text once, behind the names of the files that have it."""
    texts = {}
    for package in packages:
        for name, text in licence_texts(package):
            texts.setdefault(text.strip(), []).append(f"{package['name']} {package['version']}, {name}")
    with open(path, "w") as file:
        file.write("What is linked into certstream-server, and its licences. Where there is a choice, all texts are here.\n\n")
        file.writelines(f"{package['name']} {package['version']}: {package['license']}\n" for package in packages)
        for text, names in texts.items():
            file.write(f"\n{'=' * 100}\n" + "\n".join(names) + f"\n{'-' * 100}\n\n{text}\n")


def main():
    target, features, program, sbom, licences = sys.argv[1:]
    crates, libraries = linked(sys.stdin, target)
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target, "--no-default-features",
               "--features", features]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text())["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in lock}
    by_id = {package["id"]: package for package in metadata["packages"]}
    root = by_id[metadata["resolve"]["root"]]
    packages = sorted((by_id[crate] for crate in crates if crate != root["id"]), key=purl)
    if root["id"] not in crates or len(packages) < 2:
        sys.exit(f"no build for {target} in these messages")

    components = [component(package, checksums) for package in packages]
    depends = {}
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in crates:
            depends[purl(by_id[node["id"]])] = {purl(by_id[other]) for other in node["dependencies"] if other in crates}
    sources = []
    for library in sorted(libraries):
        crate, name, licence = LIBRARIES[library]
        package = next(package for package in metadata["packages"] if package["name"] == crate)
        made = c_library(name, package, licence)
        if made not in components:
            components.append(made)
            sources += [package] if package not in packages else []
        user = "openssl-sys" if name == "openssl" else crate
        depends[next(purl(package) for package in packages if package["name"] == user)].add(made["bom-ref"])
        depends[made["bom-ref"]] = set()

    described = component(root, checksums) | {"type": "application"}
    described["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()}]
    made_at = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": made_at.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": described,
                     "properties": [{"name": "cdx:rustc:sbom:target:triple", "value": target}]},
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": sorted(depends[ref])} for ref in sorted(depends)],
    }
    pathlib.Path(sbom).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    write_licences(licences, sorted(packages + sources, key=purl))


main()
