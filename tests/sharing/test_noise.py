"""Torch's normal numbers without torch."""

import numpy as np
import pytest
import torch

from twofold.sharing.noise import standard_normal


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**40 + 7, 2**63 - 1])
@pytest.mark.parametrize("shape", [(1,), (2, 2), (15,), (16,), (17,), (100, 3), (1000, 64)])
def test_they_are_the_numbers_that_torch_draws(seed, shape):
    """To float32 rounding of the formulas, which is all that lies between two libraries."""
    expected = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).numpy()
    found = standard_normal(seed, *shape)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)
