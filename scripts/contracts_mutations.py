"""Changed messages, of which none may be valid: a schema that allows too much is no contract."""
import copy
import json
import re

# The members that may be left out, by the path in their message. Everything else is required.
OPTIONAL = {
    "certificate_update": [r"fault", r"matched(/.*/filter)?", r"data/leaf_cert/(parse_error|extensions/(?!ctlPoisonByte).*)",
                           r"data/chain/\d+/(parse_error|extensions/.*)"],
    "certificate_update_lite": [r"fault", r"matched(/.*/filter)?",
                                r"data/leaf_cert/(parse_error|extensions/(?!ctlPoisonByte).*)"],
    "dns_entries": [r"matched(/.*/filter)?"],
    "subscribed": [r"filter/\w+"],
    "status": [r"clients/\w+"],
    "ready": [r"cluster"],
}
# The members of statistics that are maps: an entry may be left out, but nothing of it.
MAPS = ("clients", "logs", "operators", "filters")


def places(value, path=()):
    """The path of each member and item, and the object or list that has it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield path + (key,), value, key
        yield from places(inner, path + (key,))


def objects(value):
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def may_be_left_out(kind, path):
    if kind in ("stats", "stats_admin") and path[0] in MAPS:
        return len(path) == 2
    text = "/".join(map(str, path))
    inner = {"latest": "certificate_update", "webhook_delivery": "certificate_update_lite"}.get(kind)
    if inner:
        kind, text = inner, re.sub(r"^messages/\d+/", "", text)
    return any(re.fullmatch(pattern, text) for pattern in OPTIONAL.get(kind, ()))


def mutations(kind, message):
    """Each wrong message that differs in one place, with what was done to it."""
    changed = copy.deepcopy(message)
    for path, holder, key in list(places(changed)):
        text, value = "/".join(map(str, path)), holder[key]
        if isinstance(holder, dict) and not may_be_left_out(kind, path):
            del holder[key]
            yield f"without {text}", changed
        holder[key] = {"no such member": 0}
        yield f"with an object in the place of {text}", changed
        holder[key] = value
    for holder in list(objects(changed)):
        holder["no such member"] = "x"
        yield f"with one more member in {json.dumps(holder)[:80]}", changed
        del holder["no such member"]


def shape(value):
    """What tells samples apart: the names of members, and the types of their values."""
    if isinstance(value, dict):
        return tuple(sorted((key, shape(inner)) for key, inner in value.items() if key != "extensions"))
    if isinstance(value, list):
        return tuple(sorted({str(shape(inner)) for inner in value}))
    return type(value).__name__
