"""Checks that relative links of the pages in this folder lead to files of it: python3 scripts/release_links.py"""

import pathlib
import re
import sys

# What only the sources have, and pages for developers refer to.
SOURCES = (".ci/", "src/", "scripts/", "tests/", "fuzz/", "deny.toml", "CONTRIBUTING.md", "Cargo.toml")

count, dead = 0, []
for page in sorted(pathlib.Path().rglob("*.md")):
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" in link:
            continue
        target = (page.parent / link).resolve().relative_to(pathlib.Path().resolve())
        if not target.exists() and not str(target).startswith(SOURCES):
            dead.append(f"{page}: {link}")
        count += 1
if dead or count == 0:
    sys.exit("\n".join(dead) or "there are no links")
print(f"{count} links between pages and files")
