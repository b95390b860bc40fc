import json
import os
import pickle

import pytest
import torch
from batches import random_batch
from safetensors.torch import save_file

from olmoearth_nb import TOKENIZATIONS, ModelConfig, OlmoEarth, Tokenization, load_model, published_config, save_model
from olmoearth_nb.io.tensors import UnsafeFileError
from olmoearth_nb.model.config import PUBLISHED
from olmoearth_nb.weights.load import open_encoder
from olmoearth_nb.weights.official import CONFIG, WEIGHTS, config_from_official, config_to_official

SMALL = {"width": 32, "depth": 1, "heads": 2, "decoder_depth": 1}


@pytest.fixture
def folder(tmp_path):
    return save_model(OlmoEarth(published_config("v1.1", "nano")), tmp_path / "model")


@pytest.mark.parametrize("name", [*TOKENIZATIONS, "mine"])
@pytest.mark.parametrize("position", ["absolute", "rotary"])
@pytest.mark.parametrize("pixel_hidden", [0, 3])
def test_round_trip(tmp_path, name, position, pixel_hidden):
    """Every weight and every output comes back bit for bit."""
    mine = Tokenization("mine", {"sentinel2_l2a": ["B04 B03", "B8A B01"], "sentinel1": ["vh", "vv"]})
    config = ModelConfig(
        **SMALL, tokenization=TOKENIZATIONS.get(name, mine), position=position, pixel_hidden=pixel_hidden
    )
    model = OlmoEarth(config).eval()
    loaded = load_model(save_model(model, tmp_path))
    assert loaded.config == config
    assert loaded.config.tokenization.name == ("from config.json" if name == "mine" else name)
    state = loaded.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    batch = random_batch(("sentinel2_l2a", "sentinel1"), (8, 8))
    assert torch.equal(model.encoder(batch, 8).tokens, loaded.encoder(batch, 8).tokens)
    assert not any(parameter.requires_grad for parameter in loaded.target_encoder.parameters())
    assert not loaded.encoder.composite_encodings.month_embed.weight.requires_grad
    assert loaded.encoder.norm.weight.requires_grad


@pytest.mark.parametrize(("version", "size"), [(v, s) for v, sizes in PUBLISHED.items() for s in sizes])
def test_published_configurations_round_trip(version, size):
    config = published_config(version, size)
    assert config_from_official(json.loads(json.dumps(config_to_official(config)))) == config


def test_the_deprecated_name_of_the_position_encoding(folder):
    official = config_to_official(published_config("v1.2", "nano"))
    encoder = official["model"]["encoder_config"]
    encoder["spatial_pos_encoding"] = encoder.pop("position_encoding")
    assert config_from_official(official).position == "rotary"


def test_legacy_position_table_is_dropped(folder):
    state = torch.load(folder / WEIGHTS, weights_only=True)
    state["encoder.composite_encodings.pos_embed"] = torch.zeros(12, 32)
    torch.save(state, folder / WEIGHTS)
    load_model(folder)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x, protocol=2))])
def test_a_file_that_would_run_code_is_refused(folder, tmp_path, write):
    write({"encoder.norm.weight": Bomb(tmp_path / "ran")}, folder / WEIGHTS)
    with pytest.raises(UnsafeFileError, match="would run code"):
        load_model(folder)
    assert not (tmp_path / "ran").exists()


def test_absent_files_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        load_model(tmp_path)
    (folder / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=r"has no weights\.pth"):
        load_model(folder)


def test_a_truncated_file_is_refused(folder):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="is it whole"):
        load_model(folder)


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1", b"<!doctype html>", b""])
def test_a_failed_download_is_called_so(folder, content):
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match="not a weights file: it starts with"):
        load_model(folder)


@pytest.mark.parametrize(
    "value", [torch.zeros(128, dtype=torch.long), torch.zeros(128).to_sparse(), torch.full((128,), torch.nan)]
)
def test_odd_tensors_are_refused(folder, value):
    state = torch.load(folder / WEIGHTS, weights_only=True)
    state["encoder.norm.weight"] = value
    torch.save(state, folder / WEIGHTS)
    with pytest.raises(ValueError, match=r"encoder\.norm\.weight (is not a dense|holds NaN)"):
        load_model(folder)


def test_half_precision_files_become_float32(folder):
    state = torch.load(folder / WEIGHTS, weights_only=True)
    torch.save({key: value.half() for key, value in state.items()}, folder / WEIGHTS)
    assert {value.dtype for value in load_model(folder).state_dict().values()} == {torch.float32}


def test_weights_of_another_size_are_refused(folder):
    save_model(OlmoEarth(ModelConfig(**SMALL)), folder.parent / "other")
    (folder / WEIGHTS).write_bytes((folder.parent / "other" / WEIGHTS).read_bytes())
    with pytest.raises(ValueError, match=r"does not fit its configuration: .* missing .* of another shape"):
        load_model(folder)


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("encoder_config", "attention_pooler_config", {"pooler_dim": 768}, "v1.3"),
        ("encoder_config", "num_register_tokens", 4, "num_register_tokens"),
        ("encoder_config", "position_encoding", "rope_2d", "position_encoding"),
        ("encoder_config", "patch_embed_hidden_sizes", [12, 12], "patch_embed_hidden_sizes"),
        ("decoder_config", "num_heads", 4, "num_heads"),
        ("decoder_config", "mlp_ratio", 2.0, "mlp_ratio"),
        ("decoder_config", "position_encoding", "rope_3d_mixed", "position_encoding of the decoder"),
        ("decoder_config", "tokenization_config", None, "tokenization_config of the decoder"),
        ("encoder_config", "depth", "4", "depth must be a whole number"),
        ("encoder_config", "num_heads", 0, "num_heads"),
        ("encoder_config", "supported_modality_names", None, "official keys"),
    ],
)
def test_what_is_not_implemented_is_refused(folder, part, key, value, message):
    official = json.loads((folder / CONFIG).read_text())
    official["model"][part][key] = value
    (folder / CONFIG).write_text(json.dumps(official))
    with pytest.raises(ValueError, match=message):
        load_model(folder)


def test_v1_3_weights_are_named_as_such(folder):
    state = torch.load(folder / WEIGHTS, weights_only=True)
    state["encoder.attention_pooler.learned_query"] = torch.zeros(1, 128)
    torch.save(state, folder / WEIGHTS)
    with pytest.raises(ValueError, match=r"v1\.3, which is out of scope"):
        load_model(folder)


def test_another_json_is_refused(folder):
    (folder / CONFIG).write_text("{}")
    with pytest.raises(ValueError, match=r"model\.encoder_config"):
        load_model(folder)


def change(folder, part, **changes):
    official = json.loads((folder / CONFIG).read_text())
    for one in (part,) if part else ("encoder_config", "decoder_config"):
        official["model"][one] |= changes
    (folder / CONFIG).write_text(json.dumps(official))


ODD = {
    "a negative layer": ("encoder_config", {"patch_embed_hidden_sizes": [-12]}),
    "a layer of 12.0": ("encoder_config", {"patch_embed_hidden_sizes": [12.0]}),
    "a layer of 2^62": ("encoder_config", {"patch_embed_hidden_sizes": [1 << 62]}),
    "a layer of text": ("encoder_config", {"patch_embed_hidden_sizes": "12"}),
    "a layer without a list": ("encoder_config", {"patch_embed_hidden_sizes": 12}),
    "a layer by name": ("encoder_config", {"patch_embed_hidden_sizes": {"0": 12}}),
    "a depth of a million": ("encoder_config", {"depth": 1_000_000}),
    "a predictor of a million": ("decoder_config", {"depth": 1_000_000}),
    "a depth of true": ("encoder_config", {"depth": True}),
    "a depth of nothing": ("encoder_config", {"depth": None}),
    "a width of 2^40": (
        "",
        {"embedding_size": 1 << 40, "encoder_embedding_size": 1 << 40, "decoder_embedding_size": 1 << 40},
    ),
    "a width of 10^400": ("", {"embedding_size": 10**400, "decoder_embedding_size": 10**400}),
    "heads by name": ("", {"num_heads": {"a": 8}}),
    "a dropout of NaN": ("encoder_config", {"drop_path": float("nan")}),
    "a dropout of text": ("encoder_config", {"drop_path": "0.1"}),
    "bands dropped by a list": ("encoder_config", {"band_dropout_rate": [0.2]}),
    "a scale of 10^400": ("", {"position_encoding": "rope_3d_mixed", "rope_temporal_coordinate_scale": 10**400}),
    "modalities by number": ("", {"supported_modality_names": 3}),
    "modalities of lists": ("", {"supported_modality_names": [["sentinel1"]]}),
    "modalities of text": ("", {"supported_modality_names": "sentinel1"}),
    "many modalities": ("", {"supported_modality_names": ["sentinel1"] * 300_000}),
    "a tokenization of text": ("", {"tokenization_config": "x"}),
    "groups of numbers": ("", {"tokenization_config": {"overrides": {"sentinel1": {"band_groups": [[1, 2]]}}}}),
    "groups of nothing": ("", {"tokenization_config": {"overrides": {"sentinel1": {"band_groups": None}}}}),
    "a group of a million": (
        "",
        {"tokenization_config": {"overrides": {"sentinel1": {"band_groups": [["vv"] * 1_000_000]}}}},
    ),
    "a position of a list": ("", {"position_encoding": ["rope"]}),
}


@pytest.mark.case("H17")
@pytest.mark.parametrize("name", ODD)
def test_configurations_of_wrong_types_and_sizes(folder, name):
    """One error that names the file, at once, before anything is built."""
    change(folder, ODD[name][0], **ODD[name][1])
    with pytest.raises(ValueError, match=rf"{folder}/config\.json(:| does not describe an OlmoEarth model)") as caught:
        load_model(folder)
    assert len(str(caught.value)) < 2500


@pytest.mark.case("H17")
@pytest.mark.parametrize(
    "text", ["{", "[1]", "[" * 1_000_000, '{"model": []}', '{"model": {"encoder_config": 3}}', "", "null"]
)
def test_a_config_that_is_none(folder, text):
    (folder / CONFIG).write_text(text)
    with pytest.raises(ValueError, match=rf"{folder}/config\.json"):
        load_model(folder)


@pytest.mark.case("H17")
@pytest.mark.parametrize("name", ODD)
def test_the_header_of_an_encoder_file_is_as_strict(folder, tmp_path, name):
    change(folder, ODD[name][0], **ODD[name][1])
    path = tmp_path / "encoder.safetensors"
    save_file({"a": torch.zeros(3)}, path, metadata={"olmoearth_config": (folder / CONFIG).read_text()})
    with pytest.raises(ValueError, match=rf"the configuration in the header of {path}(:| does not describe)"):
        open_encoder(path)


@pytest.mark.case("H18")
@pytest.mark.parametrize("shape", [(1 << 34,), (128, 1), ()])
def test_a_weight_of_another_size_is_refused_unread(folder, shape):
    state = torch.load(folder / WEIGHTS, weights_only=True)
    state["encoder.norm.weight"] = torch.zeros(1).expand(shape) if shape else torch.zeros(())
    torch.save(state, folder / WEIGHTS)
    with pytest.raises(ValueError, match=r"weights\.pth(: encoder\.norm\.weight has|.*encoder\.norm\.weight)"):
        load_model(folder)


@pytest.mark.case("H18")
def test_weights_that_share_their_memory_do_not_in_the_model(folder):
    """Or else training one would train the other."""
    state = torch.load(folder / WEIGHTS, weights_only=True)
    state["encoder.norm.weight"] = state["encoder.norm.bias"] = torch.ones(128)
    torch.save(state, folder / WEIGHTS)
    norm = load_model(folder).encoder.norm
    assert norm.weight.data_ptr() != norm.bias.data_ptr()


@pytest.mark.case("H18")
def test_numbers_that_float32_does_not_hold(folder):
    state = torch.load(folder / WEIGHTS, weights_only=True)
    state["encoder.norm.weight"] = torch.full((128,), 1e300, dtype=torch.float64)
    torch.save(state, folder / WEIGHTS)
    with pytest.raises(ValueError, match=r"encoder\.norm\.weight holds NaN or infinite"):
        load_model(folder)
