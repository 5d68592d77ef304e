"""Write tests/models/bert_fixtures.npz: three small BERTs, what Hugging Face makes of them, and their gradients.

    .venv/bin/python tests/oracle/make_bert_fixtures.py

The default tests compare with it and need no PyTorch; tests/oracle/test_bert.py checks that it is still what Hugging
Face gives. Everything is float64; weights and gradients are trees, flattened leaf by leaf.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))  # for `oracle`, where pytest has not done it

from oracle.beside_hugging_face import run
from oracle.three_berts import FIXTURE, MODELS, Shape, draw

from minitransformer.tree import concatenate

SHAPE = Shape(B=4, L=5, V=11, context=7, n_layers=2, d_model=6, h=3, d_ff=10, C=8, eps=1e-12)


def main() -> None:
    arrays = {"shape": np.array(SHAPE)}
    for seed, name in enumerate(MODELS):
        batch, weights, doutputs = draw(name, SHAPE, np.random.default_rng(seed))
        result = run(name, SHAPE, batch, weights, doutputs)
        arrays |= {f"{name}.{field}": array for field, array in batch._asdict().items()}
        arrays |= {
            f"{name}.weights": concatenate(weights),
            f"{name}.doutputs": concatenate(doutputs),
            f"{name}.outputs": concatenate(result.outputs),
            f"{name}.gradient": concatenate(result.gradient),
        }
    np.savez_compressed(FIXTURE, **arrays)
    print(f"{FIXTURE}: {FIXTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
