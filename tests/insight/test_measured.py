"""What comes with the package of measured interactions."""

import pytest

from olmoearth_nb.insight.measured import (
    measured_attention,
    measured_stages,
    measured_validation,
    validation_checks,
)


@pytest.mark.parametrize(
    ("data", "arms"), [("chips", {"v1", "naive", "v1.1", "v1 tokens"}), ("world", {"v1", "naive", "v1.1"})]
)
def test_every_arm_has_every_stage_beside_its_twin(data, arms):
    found = measured_stages(data)
    assert set(found.trained) == set(found.untrained) == set(found.gain) == arms
    assert found.stages[0] == "tokens"
    assert found.stages[-1] == "norm"
    assert set(found.seeds.values()) == {3}
    for several in (*found.trained.values(), *found.untrained.values(), *found.gain.values()):
        assert len(several) == len(found.stages)
        assert all(one.low <= one.value <= one.high for one in several)


def test_a_linear_patch_embedding_has_no_interaction_and_a_pixel_layer_has():
    tokens = {arm: stages[0].value for arm, stages in measured_stages().trained.items()}
    assert tokens["v1"] == tokens["naive"] == 0
    assert tokens["v1.1"] > 0.05


def test_what_was_not_measured_is_named():
    with pytest.raises(ValueError, match=r"no measurement of chips, 5, .*there are .*'chips', '3'"):
        measured_stages(players=5)


def test_planted_tasks_have_both_answers_and_nulls():
    kinds = {task["kind"] for task in measured_validation()}
    assert kinds == {"together", "apart", "shuffled"}


@pytest.mark.parametrize("keys", ["own patch and date", "all"])
@pytest.mark.parametrize(("data", "arm"), [("chips", "v1"), ("chips", "v1 tokens"), ("world", "v1")])
def test_attention_has_every_pair_of_groups_in_every_block(data, arm, keys):
    found = measured_attention(data, arm, keys)
    assert len(found) == 3 * 3 * 3
    for one in (one for pair in found.values() for one in pair):
        assert 0 < one.low < one.value < one.high
        assert one.high / one.value == pytest.approx(one.value / one.low, rel=0.02), "symmetric as logarithms"


def test_attention_of_one_training_stands_beside_the_same_random_twins():
    several, one = (measured_attention("chips", arm) for arm in ("v1", "v1, one long training"))
    assert {key: twin for key, (_, twin) in several.items()} == {key: twin for key, (_, twin) in one.items()}
    with pytest.raises(ValueError, match=r"no measurement of chips, v1\.1, all; there are .*'v1 tokens'"):
        measured_attention("chips", "v1.1", "all")


def test_every_reader_has_the_four_checks():
    checks = validation_checks()
    assert {(one.players, one.tasks) for one in checks} == {("6 groups", 12), ("12 bands", 12)}
    assert len(checks) == 8
    for one in checks:
        assert one.chance == pytest.approx(1 / 15 if one.players == "6 groups" else 1 / 66)
        assert one.incomplete < 1e-5
        if one.solved >= 5:
            assert one.named == 1
            assert one.together > 2 * one.apart
            assert one.without_named < one.without_random
