"""The names of scripts/lookalikes.sh, and what is said of those that the filters find: `make FOLDER`, `judge FOLDER`.

FOLDER has `domains` and `names`, a line each; `permutations`, with lines of brand, kind and name; `ordinary`, with
names; and `found`, with lines of name, brand and how it looks like it.
"""

import collections
import hashlib
import pathlib
import re
import sys

# Among those that phishing imitates most. Some are words of English, some are short.
BRANDS = """
    adobe.com airbnb.com amazon.com apple.com bankofamerica.com barclays.co.uk binance.com booking.com chase.com
    coinbase.com dhl.com docusign.com dropbox.com ebay.com facebook.com github.com google.com instagram.com linkedin.com
    microsoft.com netflix.com paypal.com roblox.com santander.com spotify.com telegram.org twitter.com usps.com
    wellsfargo.com whatsapp.com
""".split()

# dnstwist's kinds, by those of the documentation.
KINDS = {
    "confusable": ["homoglyph", "cyrillic"],
    "edit": [
        "addition", "bitsquatting", "hyphenation", "insertion", "omission", "plural", "repetition", "replacement",
        "subdomain", "transposition", "vowel-swap",
    ],
    "affix": ["dictionary", "various"],
    "other-tld": ["tld-swap"],
}
# Labels with fewer letters have too many neighbours.
MIN_EDITED = 5

WORDS = """
    account accounts app bank billing center confirm help id info login mail mobile my online pay payment recovery
    secure security service shop signin support team update verification verify wallet web
""".split()
TLDS = """
    app biz club cn co co.uk com com.au com.br de es fr in info io it live me net nl online org pl ru shop site store
    top us xyz
""".split()

# Names of the preload list that belong to the brands, as far as that is known. They are left out; all others count.
OWNED = re.compile(
    r"""
    # under other top-level domains
    (^|\.)(airbnb|docusign)\.[a-z]+(\.[a-z]+)?$
    | (^|\.)amazon\.(ae|at|ca|care|cn|co\.jp|co\.uk|com\.au|com\.br|com\.mx|com\.tr|de|eg|es|fr|in|it|jp|nl|pl|sa|se)$
    | (^|\.)(connect\.facebook\.net | github\.(blog|partners|party) | teams\.microsoft\.us | whatsapp\.net)$
    # further names
    | ^(airbnbchina\.cn | dhlparcel\.nl | amazon-?dynamodb-?labs\.com | amazonaws-china\.com | amazonbookreview\.com)$
    | ^(facebook|instagram)-atom\.appspot\.com$
    | ^(facebook(careers|enterprise|mail)\.com | github(app|constellation|engineering|next|universe)\.com)$
    | (^|\.)(google(-analytics|mail|playpartnerportal|plex|source)\.com | googlezip\.net | withgoogle\.com)$
    | ^(microsoftedgeinsider\.com | mysantanderpension\.co\.uk | santandertrade\.com | spotify(codes|stars)\.com)$
    | ^telegra\.ph$
    """,
    re.VERBOSE,
)

ORDINARY = 100_000
MIN_FOUND = 0.98
MAX_ORDINARY = 0.001


def permutations(brand):
    """Yields dnstwist's names for a brand, with their kinds."""
    import dnstwist

    label, suffix = brand.split(".", 1)
    for kind in (kind for kinds in KINDS.values() for kind in kinds):
        if kind in KINDS["edit"] and len(label) < MIN_EDITED:
            continue
        # The names of `various` with something before the label are made of a host.
        for domain in [brand, f"www.{brand}"] if kind == "various" else [brand]:
            fuzzer = dnstwist.Fuzzer(domain, dictionary=WORDS, tld_dictionary=TLDS)
            fuzzer.generate(fuzzers=[kind])
            for name in fuzzer.permutations():
                name = name["domain"].removeprefix("www.")
                # Behind s, x and z this kind adds two letters.
                if name != brand and not (kind == "plural" and len(name) > len(brand) + 1):
                    yield kind, name


def preloaded():
    """Returns the host names of the preload list."""
    import hstspreload

    data = pathlib.Path(hstspreload.__file__).with_name("hstspreload.bin").read_bytes()
    names, start = set(), 0
    while start < len(data):
        flags, length = data[start], data[start + 1]
        end = start + 2 + length
        if flags & hstspreload._IS_LEAF:
            names.add(data[start + 2 : end].decode("ascii"))
        start = end
    return names


def make(folder):
    wanted = sorted({(brand, *one) for brand in BRANDS for one in permutations(brand)})
    belongs = tuple(f".{brand}" for brand in BRANDS)
    ordinary = [name for name in preloaded() if "." in name and not f".{name}".endswith(belongs)]
    ordinary = [name for name in ordinary if not OWNED.search(name)]
    # Any of them, and always the same.
    ordinary.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    ordinary = ordinary[:ORDINARY]
    assert len(ordinary) == ORDINARY, "the preload list is too short"
    write(folder / "domains", BRANDS)
    write(folder / "permutations", map("\t".join, wanted))
    write(folder / "ordinary", ordinary)
    write(folder / "names", sorted({name for *_, name in wanted} | set(ordinary)))


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))


def read(path):
    return [line.split("\t") for line in path.read_text().splitlines()]


def share_of_permutations(wanted, found):
    """Prints how many of dnstwist's names are found. Returns whether these are enough of each kind."""
    total, missed = collections.Counter(), collections.defaultdict(list)
    for brand, kind, name in wanted:
        total[kind] += 1
        if (name, brand) not in found:
            missed[kind].append(name)
    all_found = True
    print(f"{'kind':<12} {'of dnstwist':<14} {'names':>7} {'found':>8}")
    for how, kinds in KINDS.items():
        for kind in kinds:
            share = 1 - len(missed[kind]) / total[kind]
            all_found &= share >= MIN_FOUND
            examples = " ".join(missed[kind][:: max(1, len(missed[kind]) // 5)][:5])
            print(f"{how:<12} {kind:<14} {total[kind]:>7} {share:>8.2%}  {examples and 'not ' + examples}")
    share = 1 - sum(map(len, missed.values())) / sum(total.values())
    print(f"{'all':<27} {sum(total.values()):>7} {share:>8.2%}")
    return all_found


def share_of_ordinary(ordinary, found):
    """Prints how many ordinary names are found. Returns whether these are few enough."""
    by_kind = collections.defaultdict(dict)
    for (name, brand), how in found.items():
        if name in ordinary:
            by_kind[how].setdefault(name, brand)
    print(f"\n{'kind':<12} {'ordinary names':>14}")
    for how, names in sorted(by_kind.items()):
        print(f"{how:<12} {len(names):>14}  {' '.join(f'{name} ({brand})' for name, brand in sorted(names.items()))}")
    matched = {name for names in by_kind.values() for name in names}
    share = len(matched) / len(ordinary)
    print(f"{'all':<12} {len(matched):>14} {share:>8.3%}")
    return share <= MAX_ORDINARY


def judge(folder):
    found = {(name, brand): how for name, brand, how in read(folder / "found")}
    enough = share_of_permutations(read(folder / "permutations"), found)
    few = share_of_ordinary({name for [name] in read(folder / "ordinary")}, found)
    if not enough:
        print(f"\nless than {MIN_FOUND:.0%} of a kind are found", file=sys.stderr)
    if not few:
        print(f"\nmore than {MAX_ORDINARY:.1%} of the ordinary names are found", file=sys.stderr)
    return enough and few


if __name__ == "__main__":
    command, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "make":
        make(folder)
    elif not judge(folder):
        sys.exit(1)
