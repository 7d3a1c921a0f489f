"""No parser lets anything out but its one sentence; `make fuzz` runs the long form of this."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.parsers import PARSERS, Parser, accepts

CASES = 12  # for each share of a parser

BY_NAME = {parser.name: parser for parser in PARSERS}


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_valid_files_are_taken_and_broken_ones_refused_in_a_sentence(parser: Parser) -> None:
    assert accepts(parser, dict(parser.valid))
    ran, taken = fuzz(parser, CASES * parser.share)
    assert taken < ran, "some damage is found"


def replaced(pattern: bytes, by: bytes) -> Callable[[bytes], bytes]:
    return lambda content: re.sub(pattern, lambda _: by, content, count=1)


def misnamed(archive: bytes) -> bytes:
    """A zip archive whose first file has a name that is no UTF-8 where the file lies, though it says that it is."""
    return archive[:6] + b"\x00\x08" + archive[8:30] + b"\x98" + archive[31:]


#: Damages that once let something else out, or were taken: parser, file, damage.
SEEDS: tuple[tuple[str, str, Callable[[bytes], bytes]], ...] = (
    ("suite", "suite.yaml", lambda _: b"[" * 3000),
    ("suite", "suite.yaml", lambda _: b"datasets: [a]\ndatasets: [b]\n"),
    ("suite", "suite.yaml", lambda _: b"params: &a {knn: *a}\n"),
    (
        "suite",
        "suite.yaml",
        lambda _: b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (i + 1, i + 1, i, i) for i in range(97, 117)),
    ),
    ("suite", "suite.yaml", replaced(b"mine", b"2014-02-30")),
    ("suite", "suite.yaml", replaced(b"mine", b"!!timestamp x")),
    ("suite", "suite.yaml", replaced(b"/nowhere", b"~nobody-of-this-name/x")),
    ("suite", "suite.yaml", replaced(b"60", b".inf")),
    ("suite", "suite.yaml", replaced(rb"\[0, 1\]", b"[-1]")),
    ("suite", "suite.yaml", replaced(b"suite: mine", b"suite: cells")),
    ("suite", "suite.yaml", replaced(b"mine", b"m" * 300)),
    ("suite", "suite.yaml", replaced(b"table-pump", b'"table-a\\u2028b"')),
    ("table", "table/pump.csv", replaced(b"timestamp", b"\0imestamp")),
    ("table", "table/pump.csv", lambda content: re.sub(rb"(?m)^(2024.*)$", rb"\1,7", content)),
    ("rows", "rows/mine.csv", replaced(b"colour", b"\0")),
    ("rows", "rows/mine.csv", replaced(b"size", b"\0")),
    ("nab zipped", "nab.zip", misnamed),
    ("nab", "NAB/labels/combined_windows.json", lambda _: b"[" * 100_000),
    ("telemanom", "telemanom/data/test/C-1.npy", replaced(rb"\(30, 3\), }", b"((((((((((( ")),
    ("telemanom", "telemanom/data/test/C-1.npy", replaced(rb"\(30, 3\), } {9}", b"(3000000000000,3)}")),
    ("telemanom", "telemanom/labeled_anomalies.csv", replaced(rb"\[\[5, 9\]", b"[" * 3000)),
    ("manifest", ".fetched.json", lambda _: b"[]"),
    ("manifest", ".fetched.json", lambda _: b'{"mine/a.zip": {"url": "x"}}'),
    ("manifest", ".fetched.json", lambda _: b'{"mine/a.zip": {"url": "x", "sha256": "x", "files": {"../x": "x"}}}'),
    (
        "manifest",
        ".fetched.json",
        lambda _: b'{"mine/a.zip": {"url": "x", "sha256": "x", "files": {"' + b"9" * 300 + b'": "x"}}}',
    ),
    ("manifest", "manifest.yaml", replaced(b"mine/a.zip", b"../a.zip")),
    ("archive", "data.zip", lambda _: b"no archive"),
    ("sounds", "ESC-50/meta/esc50.csv", replaced(b"0.wav", b"")),
    (
        "sounds",
        "ESC-50/audio/0.wav",
        lambda wav: wav[:24] + (1_999_999_973).to_bytes(4, "little") + wav[28:],
    ),  # its rate
    ("method", "mine.py", lambda _: b"\xff\xfe"),
    ("method", "mine.py", lambda _: b"class Method: ...\0"),
    ("method", "mine.py", replaced(b'"b": 0', b"[]: 0")),
    ("method", "mine.py", replaced(b"mine-no-b", b"../../mine")),
    ("method", "mine.py", replaced(b'"Mine"', b'"a\\x1bb"')),
    ("dataset", "mine.py", replaced(b'"a": {}', b'"../a": {}')),
    ("dataset", "mine.py", replaced(b'"a": {}', b"1: {}")),
    ("metric", "mine.py", replaced(b"mine_a", b"=1+1")),
)


@pytest.mark.parametrize(("name", "file", "damage"), SEEDS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_was_found_is_refused(name: str, file: str, damage: Callable[[bytes], bytes]) -> None:
    valid = BY_NAME[name].valid
    broken = damage(valid[file])
    assert broken != valid[file], "the damage changes something"
    assert not accepts(BY_NAME[name], {**valid, file: broken})
