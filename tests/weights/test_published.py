"""Downloads against a hub on 127.0.0.1: whole, broken in every way, and gone."""

import contextlib
import gzip
import json
import subprocess
import sys

import pytest
import torch
from hub_server import Hub
from oracle import load_model_from_path
from terminal import invoke

from olmoearth_nb import Encoder, ModelConfig, OlmoEarth, load_model, save_model, size_config
from olmoearth_nb.io.fetch import ChecksumError, DownloadError
from olmoearth_nb.weights.encoder_file import load_encoder, save_encoder
from olmoearth_nb.weights.published import MODELS, download

NAME = "OlmoEarth-v1_1-Nano"
SMALL = ModelConfig(width=32, depth=1, heads=2, decoder_depth=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = save_model(OlmoEarth(SMALL), tmp_path_factory.mktemp("published"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(files):
    hub = Hub(files, MODELS[NAME])
    yield hub
    hub.stop()


@pytest.fixture
def options(hub, tmp_path):
    return {"endpoint": hub.endpoint, "cache_dir": tmp_path / "cache", "lock_file": tmp_path / "lock.json"}


def lock_of(options):
    return json.loads(options["lock_file"].read_text())[NAME]


def test_whole_download_is_verified_recorded_and_kept(hub, options, files):
    model = load_model(NAME, **options)
    assert model.config == SMALL
    assert lock_of(options)["commit"] == hub.commit
    assert {file: (download(NAME, **options) / file).read_bytes() for file in files} == files
    before = len(hub.requests)
    load_model(NAME, **options)
    assert len(hub.requests) == before, "what is recorded and there needs no network"


def test_gone_offline_after_the_first_time(hub, options):
    load_model(NAME, **options)
    hub.stop()
    load_model(NAME, **options)


def test_never_loaded_and_offline(hub, options):
    hub.stop()
    with pytest.raises(DownloadError, match=r"not in the cache and the hub cannot be had .* or load a folder"):
        load_model(NAME, **options)
    assert not options["lock_file"].exists()


@pytest.mark.parametrize("fault", ["wrong content", "wrong checksum"])
def test_content_that_the_hub_does_not_list(hub, options, fault):
    hub.fault = fault
    with pytest.raises(ChecksumError, match="which was listed by the hub; removed"):
        load_model(NAME, **options)
    assert not options["lock_file"].exists()
    hub.fault = None
    load_model(NAME, **options)


@pytest.mark.parametrize(("fault", "message"), [(404, "404"), (429, "429"), (500, "500")])
def test_refusals(hub, options, fault, message):
    hub.fault = fault
    with pytest.raises(DownloadError, match=message):
        load_model(NAME, **options)
    assert not options["lock_file"].exists()


def starts_of(hub):
    """First bytes of the requests for the weights."""
    wanted = [span for command, path, span in hub.requests if command == "GET" and path.endswith("weights.pth")]
    return [int(span.removeprefix("bytes=").rstrip("-")) if span else 0 for span in wanted]


def test_a_broken_connection_is_resumed(hub, options, monkeypatch, files):
    """Each try goes on where the last one ended, in whole pieces, and the file is verified."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    hub.breaks = 3
    load_model(NAME, **options)
    starts = starts_of(hub)
    assert len(starts) == 4
    assert starts == sorted(set(starts))
    assert starts[-1] > len(files["weights.pth"]) // 2


def test_a_killed_process_leaves_nothing_that_counts(hub, options, files):
    """The next call begins the file anew and removes what the killed one left."""
    hub.stall_after = 100_000
    call = f"from olmoearth_nb.weights.published import download; download({NAME!r}, endpoint={hub.endpoint!r}, "
    call += f"cache_dir={str(options['cache_dir'])!r}, lock_file={str(options['lock_file'])!r})"
    process = subprocess.Popen([sys.executable, "-c", call])
    assert hub.stalled.wait(60)
    process.kill()
    process.wait()
    assert list(options["cache_dir"].rglob("*.incomplete"))
    assert not options["lock_file"].exists()
    load_model(NAME, **options)
    assert not list(options["cache_dir"].rglob("*.incomplete"))
    assert starts_of(hub) == [0, 0]
    assert (download(NAME, **options) / "weights.pth").read_bytes() == files["weights.pth"]


def test_a_connection_that_never_holds(hub, options, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.breaks = 1000
    with pytest.raises(DownloadError, match=r"the hub cannot be had \(peer closed connection"):
        load_model(NAME, **options)
    assert not options["lock_file"].exists()
    hub.breaks = 0
    load_model(NAME, **options)


def test_a_changed_file_in_the_cache_is_found_out(options):
    weights = download(NAME, **options) / "weights.pth"
    weights.resolve().write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ChecksumError, match="recorded when it was first downloaded"):
        load_model(NAME, **options)
    load_model(NAME, **options)


def test_another_content_under_the_recorded_commit_is_refused(hub, options, tmp_path):
    """Even where the hub itself now lists other checksums."""
    load_model(NAME, **options)
    torch.manual_seed(99)
    other = save_model(OlmoEarth(SMALL), tmp_path / "other")
    hub.files["weights.pth"] = (other / "weights.pth").read_bytes()
    with pytest.raises(ChecksumError, match="recorded when it was first downloaded"):
        load_model(NAME, **{**options, "cache_dir": tmp_path / "empty"})


def test_a_new_commit_does_not_replace_the_recorded_one(hub, options):
    first = download(NAME, **options)
    hub.commit = "b" * 40
    assert download(NAME, **options) == first


def test_a_model_without_weights(hub, options):
    del hub.files["weights.pth"]
    with pytest.raises(DownloadError, match=r"has no \['weights.pth'\]"):
        load_model(NAME, **options)


@pytest.mark.case("H2")
@pytest.mark.parametrize("sha", ["/{outside}", "../../../outside", "", "a" * 39, "A" * 40, None, 7])
def test_a_commit_that_is_none(hub, options, tmp_path, sha):
    """A listing must not choose where files are written."""
    hub.commit = sha.format(outside=tmp_path / "outside") if isinstance(sha, str) else sha
    with pytest.raises(DownloadError, match="which is not 40 hex digits; nothing was written"):
        download(NAME, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case("H2")
def test_another_commit_than_the_recorded_one(hub, options, tmp_path):
    download(NAME, **options)
    hub.commit = "b" * 40
    with pytest.raises(DownloadError, match=f"lists the commit {'b' * 40} .*, {'a' * 40} was asked for"):
        download(NAME, **{**options, "cache_dir": tmp_path / "empty"})


@pytest.mark.case("H22")
@pytest.mark.parametrize("listing", [[], {"id": 7, "siblings": [{}]}, {"id": "x", "siblings": 7}])
def test_a_listing_that_makes_no_sense(hub, options, monkeypatch, listing):
    monkeypatch.setattr(hub, "listing", lambda: listing)
    with pytest.raises(DownloadError, match=r"listing of .* cannot be read"):
        download(NAME, **options)


ODD = [
    *({"siblings": [{"rfilename": ["x"], "size": 1}]}, {"siblings": {"rfilename": "config.json"}}, {"siblings": ["x"]}),
    *({"size": "many"}, {"size": True}, {"size": -1}, {"size": None}, {"lfs": 7}, {"lfs": {}}, {"lfs": "x"}),
]


@pytest.mark.case("H22")
@pytest.mark.parametrize("odd", ODD)
def test_odd_types_in_a_listing(hub, options, monkeypatch, odd):
    listing = hub.listing()
    if "siblings" in odd:
        listing |= odd
    else:
        listing["siblings"] = [entry | odd for entry in listing["siblings"]]
    monkeypatch.setattr(hub, "listing", lambda: listing)
    with pytest.raises(DownloadError, match=r"listing of .* cannot be read|has no \['config"):
        download(NAME, **options)
    assert not options["lock_file"].exists()


def sent_instead(hub, monkeypatch, part, data, times, headers):
    """Requests whose path holds `part` are answered by the same data many times, and these headers."""
    whole, sent = hub.send, []

    def send(request, status, old, old_headers, body, cut=None):
        if part not in request.path or not body:
            return whole(request, status, old, old_headers, body, cut)
        request.send_response(200)
        for key, value in headers.items():
            request.send_header(key, value)
        request.end_headers()
        request.close_connection = True
        with contextlib.suppress(ConnectionError):
            for _ in range(times):
                chunk = b"%x\r\n%s\r\n" % (len(data), data) if "Transfer-Encoding" in headers else data
                request.wfile.write(chunk)
                sent.append(len(chunk))

    monkeypatch.setattr(hub, "send", send)
    return sent


@pytest.mark.case("H22")
@pytest.mark.parametrize(
    ("data", "times", "headers"),
    [
        (b" " * 1_000_000, 1000, {}),
        (gzip.compress(b" " * 300_000_000), 1, {"Content-Encoding": "gzip"}),
        (b"[" * 1_000_000, 1, {}),
        (b'{"a":' * 100_000, 1, {}),
    ],
    ids=["endless", "a bomb", "deep", "deep objects"],
)
def test_a_listing_without_measure(hub, options, monkeypatch, data, times, headers):
    sent = sent_instead(hub, monkeypatch, "/api/", data, times, headers)
    with pytest.raises(DownloadError, match=r"listing of .* (does not end|cannot be read)"):
        download(NAME, **options)
    assert sum(sent) < 100_000_000


@pytest.mark.case("H6")
def test_a_file_without_end(hub, options, monkeypatch):
    """In chunks, of which no length is announced."""
    headers = {"Transfer-Encoding": "chunked"}
    sent = sent_instead(hub, monkeypatch, "/resolve/", bytes(1_000_000), 1000, headers)
    with pytest.raises(DownloadError, match=r"sends more than the [\d,]+ bytes that it lists of config\.json"):
        download(NAME, **options)
    assert sum(sent) < 100_000_000
    kept = sum(path.stat().st_size for path in options["cache_dir"].rglob("*") if path.is_file())
    assert kept < 20_000_000


def test_the_token_goes_to_the_hub_alone(hub, options, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    download(NAME, **options)
    assert hub.tokens
    assert set(hub.tokens) == {None}
    hub.tokens.clear()
    monkeypatch.setattr("olmoearth_nb.io.hub._PUBLIC", hub.endpoint)
    download(NAME, endpoint=hub.endpoint, cache_dir=options["cache_dir"] / "other")
    assert len(hub.tokens) == 5, "the listing, and two requests a file"
    assert set(hub.tokens) == {"Bearer hf_secret"}


@pytest.mark.parametrize("endpoint", ["ftp://127.0.0.1", "huggingface.co", "https://user:secret@huggingface.co"])
def test_an_endpoint_that_is_no_address(options, endpoint):
    with pytest.raises(ValueError, match=r"begins with http|holds a user name or a password") as caught:
        download(NAME, **{**options, "endpoint": endpoint})
    assert "secret" not in str(caught.value)


@pytest.mark.case("H10")
def test_signed_addresses_are_not_printed(hub, options, monkeypatch):
    """The hub sends on to another server, by an address that is signed."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    whole = hub.send

    def signed(request, status, data, headers, body, cut=None):
        if body and "/resolve/" in request.path and "sig=" not in request.path:
            return whole(request, 302, b"", {"Location": f"{hub.endpoint}{request.path}?sig=secret"}, body)
        return whole(request, 403 if "sig=" in request.path else status, data, headers, body, cut)

    monkeypatch.setattr(hub, "send", signed)
    with pytest.raises(DownloadError, match=r"refused .*: 403 Forbidden; check the name") as caught:
        download(NAME, **options)
    assert any("sig=secret" in path for _, path, _ in hub.requests)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__, "a traceback shows no address either"
    assert caught.value.__cause__ is None


GOOD_SUMS = {"config.json": "0" * 64, "weights.pth": "0" * 64}


@pytest.mark.case("H23")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[" * 100_000, "is damaged"),
        ("[" * 400 + "]" * 400, "is damaged"),
        ('{"a":' * 100_000, "is damaged"),
        (" " * 30_000_000, "is damaged.*at most 20,000,000 are read"),
        ("\ud800", "is damaged"),
        (json.dumps({NAME: [["commit", "x"]]}), "no commit of 40 hex digits"),
        (json.dumps({NAME: {"commit": ["a" * 40], "sha256": GOOD_SUMS}}), "no commit of 40 hex digits"),
        (json.dumps({NAME: {"commit": "a" * 40, "sha256": [1]}}), "no sha256"),
        ("[]", "is damaged.*is a list"),
        (json.dumps({NAME: 7}), "no commit of 40 hex digits or no sha256 of config.json and weights.pth"),
        (json.dumps({NAME: {"commit": "../../outside", "sha256": GOOD_SUMS}}), "no commit of 40 hex digits"),
        (json.dumps({NAME: {"commit": "a" * 40, "sha256": {**GOOD_SUMS, "weights.pth": 7}}}), "no sha256"),
        (json.dumps({NAME: {"commit": "a" * 40, "sha256": {"config.json": "0" * 64}}}), "no sha256"),
    ],
)
def test_a_damaged_lock_file(hub, options, text, message):
    options["lock_file"].write_text(text, encoding="utf8", errors="surrogatepass")
    with pytest.raises(DownloadError, match=message):
        load_model(NAME, **options)
    assert not hub.requests


def test_names():
    assert len(MODELS) == 11
    with pytest.raises(ValueError, match="no published model; models are OlmoEarth-v1-Nano"):
        load_model("OlmoEarth-v2-Nano")
    with pytest.raises(ValueError, match=r"v1\.3 is out of scope"):
        load_model("OlmoEarth-v1_3-Base")


def test_encoder_file_round_trip(tmp_path):
    encoder = Encoder(size_config("nano", "galileo", pixel_hidden=3)).eval()
    loaded = load_encoder(save_encoder(encoder, tmp_path / "encoder.safetensors"))
    assert loaded.config == encoder.config
    state = loaded.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in encoder.state_dict().items())
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "encoder.safetensors").read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_encoder(tmp_path / "cut.safetensors")


def test_export_loads_strictly_in_the_reference(tmp_path):
    model = OlmoEarth(size_config("nano", "v1.1", pixel_hidden=12))
    save_model(model, tmp_path / "mine")
    result = invoke("export", tmp_path / "mine", tmp_path / "out")
    assert result.exit_code == 0, result.output
    theirs = load_model_from_path(tmp_path / "out")
    assert sum(p.numel() for p in theirs.encoder.parameters()) == sum(p.numel() for p in model.encoder.parameters())
    load_encoder(tmp_path / "out" / "encoder.safetensors")
    assert invoke("export", tmp_path / "nothing", tmp_path / "x").exit_code == 2
