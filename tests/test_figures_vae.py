"""Figures of the chapters on variational autoencoders draw what they were given."""

import matplotlib.pyplot as plt
import pytest
import torch
from torch.distributions import MultivariateNormal

from genimg_utils.figures import vae


def test_clouds_share_one_scale_and_show_at_most_two_thousand_points():
    figure = vae.clouds({"a": torch.tensor([[0.0, 1.0]] * 10), "b": torch.randn(3000, 2)}, "Two", limit=3.0)
    assert [ax.get_xlabel() for ax in figure.axes] == ["a", "b"]
    assert [len(ax.lines[0].get_xdata()) for ax in figure.axes] == [10, 2000]
    assert figure.axes[0].lines[0].get_xydata()[0].tolist() == [0, 1]
    assert {ax.get_xlim() for ax in figure.axes} == {(-3.0, 3.0)} == {ax.get_ylim() for ax in figure.axes}


def bars_of(ax):
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]


def test_elbo_and_gap_meet_and_end_at_log_p():
    posterior = MultivariateNormal(torch.tensor([1.0, 0.0]), torch.tensor([[0.3, 0.1], [0.1, 0.2]]))
    panels = {name: (torch.zeros(2), torch.eye(2), elbo) for name, elbo in (("one", -12.0), ("two", -10.0))}
    figure = vae.decomposition(panels, posterior, -10.0, "title", span=20)
    bars = [ax for ax in figure.axes if ax.get_title().startswith("ELBO")]
    assert [ax.get_title() for ax in bars] == ["ELBO −12.0, gap 2.0", "ELBO −10.0, gap 0.0"]
    assert bars_of(bars[0]) == [(-30, -12), (-12, -10)]
    assert bars_of(bars[1])[1] == (-10, -10)
    prior, _, dashed = next(ax for ax in figure.axes if ax not in bars).patches
    assert (*prior.center, prior.width, prior.height) == (0, 0, 4, 4)  # two standard deviations to each side
    assert tuple(dashed.center) == (1, 0)


def test_an_ellipse_lies_along_the_larger_axis_two_deviations_out():
    _, ax = plt.subplots()
    vae.ellipse(ax, torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 0.9], [0.9, 1.0]]), "black")
    (patch,) = ax.patches
    assert patch.angle % 180 == pytest.approx(45)
    assert (patch.width, patch.height) == pytest.approx((4 * 1.9**0.5, 4 * 0.1**0.5))


def test_estimates_carry_their_bars_around_the_truth():
    figure = vae.estimates(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.25]), 1.5)
    (ax,) = figure.axes
    (container,) = ax.containers
    segments = container[2][0].get_segments()
    assert [s[:, 1].tolist() for s in segments] == [[0.5, 1.5], [1.75, 2.25]]
    assert ax.lines[0].get_ydata()[0] == 1.5


def test_stacked_parts_follow_each_other_and_state_their_values():
    rows = {"a": {"first": 0.3, "second": 0.1}, "b": {"first": 0.3, "second": 0.9}}
    figure = vae.stacked(rows, "title", "nats")
    (ax,) = figure.axes
    flat = [value for bar in bars_of(ax) for value in bar]
    assert flat == pytest.approx([0, 0.3, 0.3, 0.4, 0, 0.3, 0.3, 1.2])
    assert {"first 0.30", "second 0.10", "second 0.90"} <= {text.get_text() for text in ax.texts}
    behind = {text.get_text(): text.xy for text in ax.texts if hasattr(text, "xy")}
    assert behind == {"second 0.10": (pytest.approx(0.4), 0), "second 0.90": (pytest.approx(1.2), 1)}
    assert ax.get_xlim()[1] > 1.2
