#!/usr/bin/env python3
"""The loops of the README's section "Coming back", as programs, and what they have printed.

readme_loops.py make README FOLDER ADDRESS
    Writes each loop to FOLDER as it stands there, but for two things: it connects to ADDRESS, and prints the number of each
    message in the place of its names.

readme_loops.py check JOURNAL PRINTED...
    JOURNAL is the response of /ndjson. Exit status 0 if each of PRINTED has all of its numbers, from one of the first on, once
    and in order.
"""
import json
import pathlib
import re
import sys

# The program's file, the line that prints, and what is put in its place.
LOOPS = {
    "python": ("loop.py", 'print(message["data"]["leaf_cert"]["all_domains"])', 'print(message["seq"], flush=True)'),
    "javascript": ("loop.js", "console.log(message.data.leaf_cert.all_domains)", "console.log(message.seq)"),
    "go": ("loop.go", "fmt.Println(message.Data.LeafCert.AllDomains)", "fmt.Println(message.Seq)"),
}


def make(readme, folder, address):
    section = pathlib.Path(readme).read_text().split("\n## Coming back\n")[1].split("\n## ")[0]
    for language, (name, names, number) in LOOPS.items():
        (loop,) = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        for old, new in ((names, number), ("localhost:8080", address)):
            if loop.count(old) != 1:
                sys.exit(f"the README's loop in {language} does not have {old!r} once")
            loop = loop.replace(old, new)
        pathlib.Path(folder, name).write_text(loop)


def check(journal, *printed):
    messages = map(json.loads, pathlib.Path(journal).read_text().splitlines())
    expected = [message["seq"] for message in messages if message["message_type"] == "certificate_update"]
    faults = 0
    for name in printed:
        # The loop in Python also says there that it connects again.
        lines = pathlib.Path(name).read_text().splitlines()
        numbers = [int(line) for line in lines if line.isdigit()]
        first = expected.index(numbers[0]) if numbers and numbers[0] in expected else len(expected)
        missing = len(set(expected[first:]) - set(numbers))
        is_right = numbers == expected[first:] and len(numbers) > len(expected) / 2
        print(f"{pathlib.Path(name).name}: {len(numbers)} of {len(expected)} messages, {missing} missing, "
              f"{len(numbers) - len(set(numbers))} repeated{'' if is_right else ': WRONG'}")
        faults += not is_right
    sys.exit(faults > 0)


{"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
