"""What kubernetes_check.py and kubernetes_run.py share: rendered manifests, and what the Dockerfile says of the image."""

import pathlib
import re
import sys

import yaml

DOCKERFILE = pathlib.Path("Dockerfile").read_text().rpartition("\nFROM ")[2]


def fail(text):
    sys.exit(f"failed: {text}")


def documents(path):
    return [document for document in yaml.safe_load_all(pathlib.Path(path).read_text()) if document]


def of_kind(resources, *kinds):
    return [resource for resource in resources if resource["kind"] in kinds]


def workloads(resources):
    return of_kind(resources, "StatefulSet", "Deployment")


def image_user():
    return int(re.search(r"^USER (\d+):\1$", DOCKERFILE, re.M)[1])


def image_state_folder():
    return re.search(r"^ENV CERTSTREAM_STATE_DIR=(\S+)$", DOCKERFILE, re.M)[1]


def is_program(container):
    return container["image"].rpartition("/")[2].startswith("certstream-server")


def matches(selector, labels):
    return selector.items() <= labels.items()
