"""Ways between codes: where they begin and end, how long they are, and what singles them out."""

import math

import pytest
import torch

from twofold.errors import UsageError
from twofold.verbs.paths import arc, line, path_between, to_and_fro

A, B = torch.randn(2, 5, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_both_ends_are_included_to_the_bit(path):
    way = path_between(A, B, 7, path)
    assert way.shape == (5, 7, 20)
    assert way.dtype == A.dtype
    assert torch.equal(way[:, 0], A)
    assert torch.equal(way[:, -1], B)
    assert torch.allclose(path_between(B, A, 7, path).flip(1), way, atol=1e-6)


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_a_device_without_doubles_will_do(no_doubles, path):
    a, b = torch.ones(2, 5, 20, device=no_doubles)
    way = path_between(a, b, 7, path)
    assert (way.shape, way.dtype, way.device.type) == ((5, 7, 20), torch.float32, "meta")


def test_a_line_is_even():
    way = path_between(A, B, 6, "linear")
    assert torch.allclose(way[:, 2], 0.6 * A + 0.4 * B, atol=1e-6)


def test_a_line_goes_through_any_shape():
    a, b = torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3)
    way = line(a, b, torch.tensor([0.0, 0.25, 1.0]))
    assert way.shape == (2, 3, 1, 3, 3)
    assert way[0, :, 0, 0, 0].tolist() == [0.0, 0.25, 1.0]


def test_an_arc_turns_evenly_and_its_length_goes_from_one_to_the_other():
    way = path_between(A, B, 9, "spherical").double()
    lengths = way.norm(dim=2)
    t = torch.linspace(0, 1, 9, dtype=torch.float64)
    expected = (1 - t) * A.norm(dim=1)[:, None] + t * B.norm(dim=1)[:, None]
    assert torch.allclose(lengths, expected, rtol=1e-6)
    turn = torch.cosine_similarity(way[:, 1:], way[:, :-1], dim=2).arccos()
    whole = torch.cosine_similarity(A.double(), B.double(), dim=1).arccos()
    assert torch.allclose(turn, (whole / 8)[:, None].expand_as(turn), rtol=1e-4)


def test_a_quarter_turn_on_a_circle():
    way = path_between(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]), 3, "spherical")
    half = math.sqrt(2)
    assert torch.allclose(way[0], torch.tensor([[2.0, 0.0], [half, half], [0.0, 2.0]]), atol=1e-6)


@pytest.mark.parametrize("end", [[3.0, 3.0], [1.0, 1.0], [-2.0, -2.0], [0.0, 0.0]])
def test_without_a_direction_to_turn_in_the_way_is_straight(end):
    a, b = torch.tensor([[1.0, 1.0]]), torch.tensor([end])
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    assert torch.allclose(arc(a, b, t), line(a, b, t))
    assert arc(b, a, t).isfinite().all()


@pytest.mark.parametrize("steps", [2, 10, 11])
def test_to_and_fro_is_even_and_mirrors_itself(steps):
    values = to_and_fro(3.0, steps)
    assert (values[0], values[-1], len(values)) == (-3, 3, steps)
    assert torch.equal(values.flip(0), -values)
    assert torch.allclose(values.diff(), torch.tensor(6 / (steps - 1)))


def test_an_unknown_path_names_those_there_are():
    with pytest.raises(UsageError, match=r"unknown path 'sphere'.*spherical"):
        path_between(A, B, 3, "sphere")
