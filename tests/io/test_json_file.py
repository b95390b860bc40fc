"""JSON that somebody else wrote."""

import pytest

from olmoearth_nb.io.json_file import parse_json, read_json

WRONG = {
    "cut off": (b'{"a": ', "is not whole JSON"),
    "a million brackets": (b"[" * 1_000_000, "is not whole JSON"),
    "nested dictionaries": (b'{"a":' * 300_000, "is not whole JSON"),
    "a list": (b"[1]", "must hold a dictionary, it is a list"),
    "a number": (b"3", "must hold a dictionary, it is a int"),
    "no text": (b"\xff\xfe{}", "is not whole JSON"),
    "nothing": (b"", "is not whole JSON"),
    "a number of a million digits": (b'{"a": ' + b"9" * 1_000_000 + b"}", "is not whole JSON"),
    "much": (b'{"a": "' + b"x" * 3_000_000 + b'"}', "has 3,000,009 bytes; at most 2,000,000 are read"),
}


@pytest.mark.case("H17")
@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_read(tmp_path, name):
    content, message = WRONG[name]
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.json {message}"):
        read_json(path, 2_000_000)


def test_what_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"é": [1, 2.5, null]}', encoding="utf8")
    assert read_json(tmp_path / "a.json") == {"é": [1, 2.5, None]}
    assert parse_json('{"a": 1}', "the header") == {"a": 1}
    with pytest.raises(FileNotFoundError, match="no file"):
        read_json(tmp_path)
