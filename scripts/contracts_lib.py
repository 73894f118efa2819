"""The schemas and documents of src/routes/contracts, for the scripts that hold the server to them."""
import json
import pathlib
from urllib.parse import urljoin

import jsonschema_rs

FOLDER = pathlib.Path(__file__).parent.parent / "src/routes/contracts"
# Where the documents seem to be, so that their references lead to each other.
BASE = "https://example.org/"


def load(name):
    return json.loads((FOLDER / name).read_text())


def without_repeats(pairs):
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError(f"a member is there twice: {[name for name, _ in pairs]}")
    return members


def parse(text):
    """JSON in which no object has a member twice."""
    return json.loads(text, object_pairs_hook=without_repeats)


class Contracts:
    """Validators by the reference that a document has."""

    def __init__(self):
        names = [f"schemas/{path.name}" for path in sorted((FOLDER / "schemas").glob("*.json"))]
        resources = [(urljoin(BASE, name), load(name)) for name in names]
        self.registry = jsonschema_rs.Registry(resources, draft=jsonschema_rs.Draft202012)
        for name in names:
            jsonschema_rs.meta.validate(load(name))
        self.open_api, self.async_api = load("openapi.json"), load("asyncapi.json")
        self.known = {}

    def validator(self, schema):
        """The validator of a schema in one of the two documents."""
        key = json.dumps(schema)
        if key not in self.known:
            # References are relative to the document.
            located = {"$id": urljoin(BASE, "document.json"), "allOf": [schema]}
            self.known[key] = jsonschema_rs.Draft202012Validator(located, registry=self.registry)
        return self.known[key]

    def schema(self, name):
        return self.validator({"$ref": f"schemas/{name}.json"})


def follow(document, value):
    """What a value stands for that may be a reference within the document."""
    while isinstance(value, dict) and value.get("$ref", "").startswith("#/"):
        reference, value = value["$ref"][2:], document
        for member in reference.split("/"):
            value = value[member.replace("~1", "/").replace("~0", "~")]
    return value


def problems(validator, value, most=2):
    """What is wrong with a value, in short."""
    found = []
    for error in validator.iter_errors(value):
        path = "/".join(map(str, error.instance_path))
        found.append(f"{path or 'all of it'}: {error.message[:300]}")
        if len(found) == most:
            break
    return "; ".join(found)
