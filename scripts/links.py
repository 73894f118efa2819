#!/usr/bin/env python3
"""All links of the documentation lead somewhere, and docs/failures.md quotes what the program says: scripts/links.py

Reads the Markdown files that Git knows. A relative link has to lead to a file or folder of the repository, and its fragment to
a heading of that file. Pages of docs/ that the code, the configuration and the scripts mention have to be there, too. Lines
that docs/failures.md quotes have to be in the code, but for what stands in the place of "...". Asks nothing of the network.
Prints what is wrong; then the exit status is 1.
"""
import functools
import pathlib
import re
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
# [text](target) and ![text](target), also where the text has images or brackets of its own.
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
MENTION = re.compile(r"\bdocs/[a-z-]+\.(?:md|png|svg)\b")
FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.MULTILINE | re.DOTALL)


# What stands in the place of "..." where a line would say too little: texts of the system and of libraries, and what failed.
FOREIGN = (
    "Address already in use", "Permission denied", "No space left on device", "certificate has expired", "unknown field",
    "failed to get the tree head", "failed request: no connection", "SSL handshake failed", "certificate verify failed",
    "SSL alert", "SASL authentication error",
)


def prose(text):
    """The text with blank lines in the place of fenced code, and without code in backticks."""
    text = FENCE.sub(lambda code: "\n" * code[0].count("\n"), text)
    return re.sub(r"`[^`\n]*`", "", text)


@functools.cache
def anchors(path):
    """The fragments that GitHub gives to the headings of a file."""
    found, text = {}, FENCE.sub("", path.read_text())
    names = set()
    for title in re.findall(r"^#{1,6} +(.+?) *#*$", text, re.MULTILINE):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).strip().lower()
        name = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        count = found[name] = found.get(name, -1) + 1
        names.add(f"{name}-{count}" if count else name)
    return names


def problem(page, target):
    """Why the link of the page leads nowhere, or None."""
    if re.match(r"[a-z]+:", target):
        return None
    path, _, fragment = urllib.parse.unquote(target).partition("#")
    to = (page.parent / path).resolve() if path else page
    if not to.exists():
        return "there is no such file"
    if not to.is_relative_to(ROOT):
        return "it leads out of the repository"
    if fragment and (to.suffix != ".md" or fragment not in anchors(to)):
        return "there is no such heading"
    return None


def unsaid():
    """The quoted lines of docs/failures.md that are not in the code."""
    code = "".join(file.read_text() for file in sorted((ROOT / "src").rglob("*.rs")))
    # A text over several lines is one, and its quotes are plain.
    code = re.sub(r"\\\n\s*", "", code).replace('\\"', '"')
    for row in re.findall(r"^\| (.+?) \|", (ROOT / "docs/failures.md").read_text(), re.MULTILINE):
        for quoted in re.findall(r"`([^`]+)`", row):
            for piece in quoted.split("..."):
                piece = re.sub(r"^(?:FILE|KEY|CERTSTREAM_|: |[:;,.) ]|\d+ more )+", "", piece).rstrip(" :;,.(")
                if " " in piece and not any(foreign in piece for foreign in FOREIGN) and piece not in code:
                    yield f"docs/failures.md: the program does not say {piece!r}"


def main():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    files = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    problems, links = [], 0
    for page in (file for file in files if file.suffix == ".md"):
        for number, line in enumerate(prose(page.read_text()).splitlines(), 1):
            for target in LINK.findall(line):
                links += 1
                if why := problem(page, target):
                    problems.append(f"{page.relative_to(ROOT)}:{number}: {target}: {why}")
    for file in (file for file in files if file.suffix in (".rs", ".toml", ".yml", ".yaml", ".conf", ".cfg", ".sh", ".py")):
        for mention in sorted(set(MENTION.findall(file.read_text()))):
            if not (ROOT / mention).exists():
                problems.append(f"{file.relative_to(ROOT)}: {mention}: there is no such page")
    problems += unsaid()
    print("\n".join(problems) if problems else f"{links} links lead somewhere")
    sys.exit(bool(problems))


main()
