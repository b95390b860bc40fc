"""What peft makes of low-rank factors, as numbers to compare with; where peft is installed, this script writes them.

    python tests/helpers/peft_reference.py

peft brings transformers and accelerate, which is much for one test. Weights, factors and images are NumPy's, so that
they are the same whatever the version of torch.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb import Batch, Encoder, size_config
from olmoearth_nb.finetune.lora import LAYERS, add_lora, lora_layers, without_lora

REFERENCE = Path(__file__).parents[1] / "finetune" / "peft_reference.json"
RANK, ALPHA = 4, 8.0


def case():
    """An encoder with deltas on all linear layers, and a batch."""
    generator = np.random.default_rng(0)
    encoder = add_lora(Encoder(size_config("mini", "v1.1", pixel_hidden=8)).eval(), RANK, ALPHA, "all")
    with torch.no_grad():
        for _, weight in sorted(encoder.named_parameters()):
            weight.copy_(torch.from_numpy(generator.normal(0, 0.1, weight.shape).astype(np.float32)))
    image = torch.from_numpy(generator.normal(size=(2, 8, 8, 2, 12)).astype(np.float32))
    return encoder, Batch({"sentinel2_l2a": image}, torch.tensor([[[3, 2, 2019], [4, 8, 2019]]] * 2))


def summary(encoder, batch, factors):
    """Embeddings, and of each layer's two gradients and its delta the sum and the norm.

    Args:
        encoder: with deltas of ours or of peft's.
        batch: of `case`.
        factors: name of a layer -> its two factors and its delta.
    """
    pooled = encoder(batch, 4).pool()
    pooled.square().mean().backward()
    layers = {
        name: [[float(x.sum()), float(x.norm())] for x in (first.grad, second.grad, delta.detach())]
        for name, (first, second, delta) in factors.items()
    }
    return {"pooled": pooled.tolist(), "layers": layers}


def of_ours():
    """The summary of our layers."""
    encoder, batch = case()
    return summary(encoder, batch, {name: (x.lora_a, x.lora_b, x.delta) for name, x in lora_layers(encoder).items()})


def of_peft():
    """The summary of peft's layers with the same weights and factors."""
    import peft

    ours, batch = case()
    theirs = without_lora(ours, with_deltas=False)
    names = "|".join(name.split(".")[1] for name in LAYERS["all"])
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=rf".*\.({names})")
    peft.inject_adapter_in_model(config, theirs.blocks)  # of the whole encoder it would read our configuration
    factors = {}
    for name, layer in lora_layers(ours).items():
        pair = theirs.get_submodule(name)
        with torch.no_grad():
            pair.lora_A.default.weight.copy_(layer.lora_a)
            pair.lora_B.default.weight.copy_(layer.lora_b)
        factors[name] = (pair.lora_A.default.weight, pair.lora_B.default.weight, pair.get_delta_weight("default"))
    return {"peft": peft.__version__} | summary(theirs, batch, factors)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))
    torch.set_num_threads(1)
    REFERENCE.write_text(json.dumps(of_peft()) + "\n")
