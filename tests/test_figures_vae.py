"""Figures of the chapters on variational autoencoders draw what they were given."""

import torch

from genimg_utils.figures import vae


def test_clouds_share_one_scale_and_show_at_most_two_thousand_points():
    figure = vae.clouds({"a": torch.zeros(10, 2), "b": torch.randn(3000, 2)}, "Two", limit=3.0)
    assert [ax.get_xlabel() for ax in figure.axes] == ["a", "b"]
    assert [len(ax.lines[0].get_xdata()) for ax in figure.axes] == [10, 2000]
    assert {ax.get_xlim() for ax in figure.axes} == {(-3.0, 3.0)} == {ax.get_ylim() for ax in figure.axes}
