"""Strategies that start from the valid files of a parser and break them: bytes, lines, values, structure, or all."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st

#: File name -> content; None where the file is missing.
Files = dict[str, bytes | None]

#: What stands in the place of a value, or anywhere else.
NASTY = (
    *(
        b"",
        b"nan",
        b"-inf",
        b"1e400",
        b"-1e308",
        b"1e39",
        b"0x10",
        b"1_000",
        b"9" * 30,
        b"9" * 5000,
        b"-1",
        b"0",
        b"1j",
    ),
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9", "\u2028".encode(), "\U0001f600".encode(), b"\x1b[31m", b"\x85"),
    *(b'"', b"'", b",", b";", b":", b"\t", b"\r", b"\n", b"\n\n", b"{", b"}", b"[", b"]", b"#", b"|", b"- ", b"\\"),
    *(
        b"[" * 3000,
        b"{a: " * 300,
        b'{"a":' * 3000,
        b"(" * 300,
        b"-" * 3000,
        b"x" * 3000,
        b"&a [*a]",
        b"*a",
        b"? ",
        b"<<",
    ),
    *(
        b"!!python/object/apply:os.system [touch pwned]",
        b"!!binary x",
        b"!!set {a}",
        b"!!timestamp x",
        b"null",
        b"true",
    ),
    *(b"2014-02-30 00:00:00", b"9999-12-31 23:59:59", b"0001-01-01", b"1e5", b"None", b"NaT", b"1,5", b"=1+1"),
    *(
        b"$(touch pwned)",
        b"../../x",
        b"{item}",
        b"{0.__class__}",
        b"%s",
        b"[[1, 2]]",
        b"[[2, 1]]",
        b"[[0, 1e9]]",
        b"[1]",
    ),
)
#: What stands in the place of a node of a YAML or JSON file.
NODES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        10**400,
        1.5,
        float("nan"),
        float("inf"),
        "",
        "x",
        "*",
        "a\0b",
        "x" * 3000,
        "../x",
        "~nobody/x",
    ),
    *(
        [],
        {},
        [[]],
        [None],
        ["x", 1],
        {"x": None},
        {1: 2},
        {"": {}},
        [{"a": [{}]}],
        {"kind": "gain"},
        "2014-01-01",
        "NaT",
    ),
)
#: Kinds of numbers, and of what is none, that an array may hold.
KINDS = ("f8", "f4", "f2", ">f8", "i8", "u1", "bool", "c16", "U3", "S2", "M8[s]", "O", "longdouble", "V4")


@st.composite
def broken(draw: st.DrawFn, valid: dict[str, bytes]) -> Files:
    """The files with one to three damages."""
    files: Files = dict(valid)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(files)))
        content = files[name]
        if content is not None:
            files[name] = draw(st.sampled_from(_damages(name)))(draw, content)
    return files


Damage = Callable[[st.DrawFn, bytes], bytes | None]


def _damages(name: str) -> list[Damage]:
    """How a file can be broken: any file, then by what it is."""
    known: list[Damage] = [_flip, _cut, _insert, _lines, _value, _value, _value]
    if name.endswith((".yaml", ".json")):
        known += [_reshape, _reshape, _reshape]
    if name.endswith(".npy"):
        known += [_array, _array]
    return [*known, _raw, _missing]


def _flip(draw: st.DrawFn, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 8))):
        if changed:
            changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _insert(draw: st.DrawFn, content: bytes) -> bytes:
    place = draw(st.integers(0, len(content)))
    return content[:place] + draw(st.sampled_from(NASTY) | st.binary(max_size=20)) + content[place:]


def _lines(draw: st.DrawFn, content: bytes) -> bytes:
    """Lines dropped, repeated, or moved to the end."""
    lines = content.splitlines(keepends=True) or [b""]
    first = draw(st.integers(0, len(lines) - 1))
    last = draw(st.integers(first, len(lines)))
    some, rest = lines[first:last], lines[:first] + lines[last:]
    return b"".join(draw(st.sampled_from([rest, [*lines, *some], [*rest, *some], [*some, *rest]])))


def _value(draw: st.DrawFn, content: bytes) -> bytes:
    """One word or number replaced."""
    spans = [match.span() for match in re.finditer(rb"[^\s,;:\[\]{}\"']+", content)]
    if not spans:
        return content
    # The first ones are a header's, and are met more often than their share.
    start, stop = spans[draw(st.integers(0, min(20, len(spans) - 1)) | st.integers(0, len(spans) - 1))]
    return content[:start] + draw(st.sampled_from(NASTY)) + content[stop:]


def _raw(draw: st.DrawFn, _: bytes) -> bytes:
    return draw(st.binary(max_size=100) | st.text(max_size=60).map(str.encode) | st.sampled_from(NASTY))


def _missing(draw: st.DrawFn, _: bytes) -> None:
    return None


def _reshape(draw: st.DrawFn, content: bytes) -> bytes:
    """A node of a YAML or JSON file dropped, renamed, or replaced by another kind of thing."""
    is_json = content.lstrip()[:1] in (b"{", b"[")
    try:
        whole = {"": json.loads(content) if is_json else yaml.safe_load(content)}
    except Exception:  # an earlier damage
        return content
    parent: Any = whole
    key: Any = ""
    while isinstance(parent[key], dict | list) and parent[key] and draw(st.integers(0, 3)):
        parent = parent[key]
        key = draw(st.sampled_from([*parent] if isinstance(parent, dict) else range(len(parent))))
    how = draw(st.integers(0, 5))
    if how == 0 and key != "":
        del parent[key]
    elif how == 1 and isinstance(parent, dict) and parent is not whole:
        parent[draw(st.sampled_from(["x", "", "seeds", 1, None, True]))] = parent.pop(key)
    else:
        parent[key] = draw(st.sampled_from(NODES))
    if is_json:
        return json.dumps(_plain(whole[""])).encode()
    return yaml.safe_dump(whole[""], allow_unicode=True, sort_keys=False).encode()


def _plain(node: Any) -> Any:
    """JSON has no numbers of 400 digits that Python writes out."""
    return 10**300 if isinstance(node, int) and node > 10**300 else node


def _array(draw: st.DrawFn, _: bytes) -> bytes:
    """Another array: of any kind, of any shape, with values that are no good."""
    shape = tuple(draw(st.lists(st.integers(0, 40), max_size=3)))
    values = np.zeros(shape, dtype=draw(st.sampled_from(KINDS)))
    if values.size and values.dtype.kind == "f":
        values.flat[0] = draw(st.sampled_from([1.0, np.nan, np.inf, np.finfo(values.dtype).max]))
    stream = io.BytesIO()
    np.save(stream, values)
    header = draw(st.sampled_from([None, b"(99999999999999, 3)", b"(-1, 3)", b"(3,", b"9" * 40]))
    if header is None:
        return stream.getvalue()
    return re.sub(rb"\([^)]*\)", header.ljust(20)[:20], stream.getvalue(), count=1)
