"""The learning rate is a function of the step, and an album survives with its run."""

import pytest
import torch

from genimg_utils.training import Album, anneal


def rate(step, total=1000, **how):
    optimiser = torch.optim.Adam([torch.zeros(1)], lr=0.5)
    optimiser.param_groups[0]["lr"] = 123.0  # whatever an earlier step, or a checkpoint, left there
    anneal([optimiser], step, total, **how)
    return optimiser.param_groups[0]["lr"]


def test_the_rate_rises_stays_and_falls():
    assert rate(0) == pytest.approx(0.5 / 100)
    assert rate(99) == rate(499) == rate(500) == pytest.approx(0.5)
    assert rate(625) == pytest.approx(0.5 * 0.7625)
    assert rate(750) == rate(75, total=100, warm_up=1) == pytest.approx(0.5 * 0.525)
    assert rate(1000) == pytest.approx(0.5 * 0.05)
    rates = [rate(step) for step in range(500, 1000)]
    assert rates == sorted(rates, reverse=True)


def test_warm_up_and_last_rate_can_be_named():
    assert rate(0, warm_up=1) == pytest.approx(0.5)
    assert rate(1000, last=0.2) == pytest.approx(0.1)


def test_every_group_of_every_optimiser_is_set():
    groups = [{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)]}]
    optimisers = [torch.optim.SGD([dict(g) for g in groups], lr=lr) for lr in (0.5, 2.0)]
    anneal(optimisers, 1000, 1000)
    rates = [group["lr"] for optimiser in optimisers for group in optimiser.param_groups]
    assert rates == pytest.approx([0.025, 0.025, 0.1, 0.1])


def test_an_album_comes_back_as_it_was(tmp_path):
    album, again = Album(), Album({7: torch.zeros(1)})
    album[1], album[500] = torch.ones(2, 2), torch.full((2, 2), 3.0)
    torch.save(album.state_dict(), tmp_path / "state")
    again.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert list(again) == [1, 500]
    assert torch.equal(again[500], album[500])
