"""Which addresses may be asked on behalf of whom, and what is printed of them."""

import socket

import pytest

from olmoearth_nb.io.addresses import Reach, check_address, host_of, internal, plain, public


def names(monkeypatch, known):
    """A resolver that knows these names, and numbers as the system's does."""
    resolve = socket.getaddrinfo

    def look_up(host, *arguments, **options):
        return resolve(known.get(host, host), *arguments, **options, flags=socket.AI_NUMERICHOST)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_the_public_internet(address):
    assert not internal(address)


INTERNAL = "127.0.0.1 10.1.2.3 192.168.0.1 172.16.0.1 169.254.169.254 0.0.0.0 100.64.0.1 ::1 fe80::1 fd00::1"
TRANSLATED = (
    "::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 ::7f00:1 ::ffff:0:7f00:1 "
    "2001:0:4136:e378:8000:63bf:3fff:fdd2"  # the last by Teredo, of 192.0.2.45
)
"""Addresses of version 4 in those of version 6."""


@pytest.mark.case("H1")
@pytest.mark.parametrize("address", [*INTERNAL.split(), *TRANSLATED.split(), "224.0.0.1", "ff02::1", "64:ff9b:1::8"])
def test_addresses_of_this_machine_and_its_network(address):
    assert internal(address)


@pytest.mark.case("H1")
@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/x", "http://[::1]:8080/x", "http://2130706433/x", "http://0x7f.1/x", "http://127.1/x"),
        *("http://inside.example/x", "http://169.254.169.254/latest/meta-data", "HTTP://10.0.0.1"),
    ],
)
def test_a_public_server_leads_to_public_hosts_alone(monkeypatch, url):
    names(monkeypatch, {"public.example": "8.8.8.8", "inside.example": "192.168.1.7"})
    reach = Reach.of("https://public.example/v1")
    reach.check("https://public.example/v1/search")
    with pytest.raises(ValueError, match="lies on this machine or in its network"):
        reach.check(url)
    Reach.of("http://inside.example").check(url)


@pytest.mark.case("H1")
def test_whom_a_connection_reached(monkeypatch):
    names(monkeypatch, {"public.example": "8.8.8.8"})
    reach = Reach.of("https://public.example")
    reach.check_peer("8.8.4.4")
    with pytest.raises(ValueError, match=r"led to 127\.0\.0\.1"):
        reach.check_peer("127.0.0.1")
    Reach.of("http://127.0.0.1").check_peer("127.0.0.1")


@pytest.mark.parametrize(
    "url", ["file" + ":///etc/hostname", "ftp://h/x", "x", "", "http://", "http:///x", "http://[::1/x"]
)
def test_what_is_no_address_of_the_web(url):
    for check in (host_of, check_address):
        with pytest.raises(ValueError, match=r"begins with http|names a host"):
            check(url)


SECRETS = [
    "https://user:secret@host.example/a?sig=secret#secret",
    "max retries: https://user:secret@host.example/a?sig=secret (broken)",
    "HTTPConnectionPool(host='h', port=1): Max retries exceeded with url: /a.tif?sv=1&sig=secret (Caused by x)",
    "'http://host/x?token=secret'",
    "http://[bad?sig=secret",
]


@pytest.mark.case("H10")
@pytest.mark.parametrize("text", SECRETS)
def test_secrets_of_addresses_are_not_printed(text):
    assert "secret" not in plain(text)
    assert public("https://user:secret@host.example:8/a/b?sig=secret#secret") == "https://host.example:8/a/b"


def test_words_of_a_server_are_one_short_line():
    assert plain("a\nb\x1b[2J\x00 c") == "a b [2J c"
    assert len(plain("x" * 10_000_000)) < 400
