"""One file from a server on 127.0.0.1 that breaks in every way."""

import contextlib
import hashlib
import shutil
from collections import namedtuple

import pytest
from hub_server import Hub

from olmoearth_nb.io.fetch import ChecksumError, DownloadError, fetch

DATA = bytes(range(256)) * 2000


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub = Hub({"data.tar.pth": DATA}, "owner/name")
    hub.url = f"{hub.endpoint}/owner/name/resolve/{hub.commit}/data.tar.pth"
    yield hub
    hub.stop()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "data.tar"


def left(path):
    return sorted(p.name for p in path.parent.iterdir() if not p.name.endswith(".lock"))


def test_whole(hub, path):
    assert fetch(hub.url, path, checksum=hashlib.sha256(DATA).hexdigest()).read_bytes() == DATA
    assert left(path) == ["data.tar"], "nothing else is left behind"


def test_resumed_after_breaking_off(hub, path):
    hub.breaks = 5
    assert fetch(hub.url, path).read_bytes() == DATA
    assert [span for _, _, span in hub.requests][1:] == [f"bytes={len(DATA) - (len(DATA) >> i)}-" for i in range(1, 6)]


def test_a_part_is_kept_and_never_taken_for_the_whole(hub, path):
    hub.breaks = 1
    fetch_once(hub, path)
    assert left(path) == ["data.tar.json", "data.tar.part"]
    assert fetch(hub.url, path).read_bytes() == DATA
    assert hub.requests[-1][2] == f"bytes={len(DATA) // 2}-"


def fetch_once(hub, path):
    """A download that breaks off half-way, after which the server refuses."""
    hub.refusals = [None, 403]
    with pytest.raises(DownloadError, match="403"):
        fetch(hub.url, path)


def test_another_version_on_the_server_is_not_mixed_in(hub, path):
    hub.breaks = 1
    fetch_once(hub, path)
    hub.files["data.tar.pth"] = other = DATA[::-1]
    assert fetch(hub.url, path).read_bytes() == other


def test_all_had_arrived_before_the_kill(hub, path):
    hub.breaks = 1
    fetch_once(hub, path)
    path.with_name("data.tar.part").write_bytes(DATA)
    assert fetch(hub.url, path).read_bytes() == DATA
    assert hub.requests[-1][2] == f"bytes={len(DATA)}-", "the server was asked, and had nothing more"


def test_a_part_longer_than_the_file_begins_anew(hub, path):
    hub.breaks = 1
    fetch_once(hub, path)
    path.with_name("data.tar.part").write_bytes(DATA + b"more")
    assert fetch(hub.url, path).read_bytes() == DATA


def test_wrong_content(hub, path):
    with pytest.raises(ChecksumError, match=r"has sha256 .* not 000000000000; removed"):
        fetch(hub.url, path, checksum="0" * 64)
    assert left(path) == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refused_at_once(hub, path, status):
    hub.refusals = [status]
    with pytest.raises(DownloadError, match=f"refused .*data.tar.pth: {status}"):
        fetch(hub.url, path)
    assert len(hub.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_asked_again(hub, path, status):
    hub.refusals = [status] * 4
    assert fetch(hub.url, path).read_bytes() == DATA
    hub.refusals = [status] * 5
    with pytest.raises(DownloadError, match=str(status)):
        fetch(hub.url, path.with_name("again"))


def test_never_a_byte(hub, path):
    hub.refusals = [416] * 10
    with pytest.raises(DownloadError, match=r"refused .*: 416"):
        fetch(hub.url, path)


def test_nobody_there(hub, path):
    hub.stop()
    with pytest.raises(DownloadError, match=r"broke off 5 times in a row .* the same call goes on from there"):
        fetch(hub.url, path)


def test_the_disk_is_too_small(hub, path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10, 9, 1))
    with pytest.raises(DownloadError, match=r"needs 0\.00 GB more and .* has 0\.00 GB free"):
        fetch(hub.url, path)
    assert not path.exists()


def test_room_for_what_is_made_of_it(hub, path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10, 9, int(1.5 * len(DATA))))
    with pytest.raises(DownloadError, match="GB more"):
        fetch(hub.url, path, room=2)
    assert not path.with_name("data.tar.part").exists(), "looked at before the first byte"
    assert fetch(hub.url, path).read_bytes() == DATA


def test_an_announced_end_that_never_comes(hub, path):
    """What a server says when it has nothing more decides; one that lies there too is given up."""
    hub.fault = "says more than it has"
    assert fetch(hub.url, path).read_bytes() == DATA
    hub.fault = "says more than it has, always"
    with pytest.raises(DownloadError, match="broke off 5 times in a row"):
        fetch(hub.url, path.with_name("again"))
    assert not path.with_name("again").exists()


@pytest.mark.parametrize("span", ["bytes 1-2/*", "bytes", "10"])
def test_a_range_that_makes_no_sense(hub, path, monkeypatch, span):
    monkeypatch.setattr(
        hub, "file", lambda request, name, body: hub.send(request, 206, DATA, {"Content-Range": span}, body)
    )
    with pytest.raises(DownloadError, match=r"broke off 5 times .*make no sense"):
        fetch(hub.url, path)


def answering(hub, monkeypatch, data, headers):
    """Each request of a file is answered by these headers and all of the data, then the connection ends."""

    def file(request, name, body):
        request.send_response(206 if "Content-Range" in headers else 200)
        for key, value in headers.items():
            request.send_header(key, value)
        request.end_headers()
        request.close_connection = True
        with contextlib.suppress(ConnectionError):  # it hangs up where it has enough
            request.wfile.write(data)

    monkeypatch.setattr(hub, "file", file)


@pytest.mark.case("H6")
def test_more_than_was_announced_is_not_kept(hub, path, monkeypatch):
    answering(hub, monkeypatch, bytes(50_000_000), {"Content-Range": "bytes 0-9/10"})
    assert fetch(hub.url, path).read_bytes() == bytes(10)


@pytest.mark.case("H6")
@pytest.mark.parametrize("headers", [{"Content-Length": "-1"}, {"Content-Range": "bytes 0-9/-10"}])
def test_a_negative_length(hub, path, monkeypatch, headers):
    answering(hub, monkeypatch, DATA, headers)
    with pytest.raises(DownloadError, match=r"broke off 5 times .*make no sense"):
        fetch(hub.url, path)
    assert left(path) == []


@pytest.mark.case("H15")
@pytest.mark.parametrize("text", ["a:b", "soon", "", "nan", "-5", "\u00b2", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_wait_that_cannot_be_read(hub, path, monkeypatch, text):
    """The server's wish is followed where it is one; the file is asked for again in any case."""
    send, waits = hub.send, []
    monkeypatch.setattr("time.sleep", waits.append)
    monkeypatch.setattr(hub, "send", lambda r, status, d, headers, b: send(r, status, d, patient(headers), b))

    def patient(headers):
        return headers | {"Retry-After": text} if "Retry-After" in headers else headers

    hub.refusals = [503]
    assert fetch(hub.url, path).read_bytes() == DATA
    assert waits == [0.0 if text.startswith(("-", "Wed")) else 2.0]


@pytest.mark.case("H10")
def test_a_signed_address_is_neither_printed_nor_kept(hub, path, monkeypatch):
    signed = f"{hub.url}?sig=secret"
    with pytest.raises(DownloadError, match=r"refused .*data\.tar\.pth: 404") as refused:
        fetch(signed, path)
    monkeypatch.setattr(hub, "answer", lambda request, body: Hub.file(hub, request, "data.tar.pth", body))
    hub.breaks, hub.refusals = 1, [None, 403]
    with pytest.raises(DownloadError, match="403") as broken:
        fetch(signed, path)
    assert "secret" not in f"{refused.value} {broken.value} {path.with_name('data.tar.json').read_text()}"
    assert fetch(signed, path).read_bytes() == DATA


@pytest.mark.case("H10")
@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1/x", "ftp://user:secret@127.0.0.1/x"])
def test_a_password_in_an_address(path, url):
    with pytest.raises(ValueError, match=r"127\.0\.0\.1") as caught:
        fetch(url, path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["FILE:///etc/hostname", "ftp://127.0.0.1/x", "data.tar"])
def test_an_address_that_is_not_of_the_web(path, url):
    with pytest.raises(ValueError, match="begins with http"):
        fetch(url, path)
    assert not path.parent.exists()


def test_silence_counts_as_broken(hub, path, monkeypatch):
    monkeypatch.setattr("olmoearth_nb.io.fetch.TIMEOUT", 0.3)
    hub.stall_after = 1000
    assert fetch(hub.url, path).read_bytes() == DATA


@pytest.mark.case("H1")
@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://127.0.0.2:9/secret", "a redirect is not followed: .* lies on this machine"),
        ("ftp://h/x", "begins with"),
    ],
)
def test_a_redirect_inside(hub, path, monkeypatch, location, message):
    """The server counts as a public one, 127.0.0.2 does not."""
    monkeypatch.setattr("olmoearth_nb.io.addresses.internal", lambda address: address != "127.0.0.1")
    monkeypatch.setattr(
        hub, "file", lambda request, name, body: hub.send(request, 302, b"", {"Location": location}, body)
    )
    with pytest.raises(DownloadError, match=message):
        fetch(hub.url, path)


@pytest.mark.case("H23")
@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "7", '{"version": 7}', '{"version": ["x"]}'])
def test_a_damaged_side_file(hub, path, text):
    """The file is begun anew."""
    hub.breaks = 1
    fetch_once(hub, path)
    path.with_name("data.tar.json").write_text(text)
    assert fetch(hub.url, path).read_bytes() == DATA
    assert hub.requests[-1][2] is None
