"""The quantiser and its loss: nearest codes, no gradient through the choice, codes at the mean of their vectors."""

import pytest
import torch

from genimg_utils.layers import Quantiser
from genimg_utils.losses import vq


def trained(codes=12, decay=0.9, steps=300, scale=5.0, seed=0):
    """A quantiser with codes to spare on six tight groups of vectors, and their middles."""
    torch.manual_seed(seed)
    middles = scale * torch.randn(6, 3)
    Q = Quantiser(codes, 3, decay).train()
    for _ in range(steps):
        Q(group(middles))
    return Q, middles


def group(middles, B=4):
    which = torch.randint(len(middles), (B, 5, 5))
    return (middles[which] + 0.05 * torch.randn(B, 5, 5, 3)).movedim(-1, 1)


def test_every_vector_gets_the_nearest_code_at_its_own_place():
    Q = Quantiser(4, 3).eval()
    Q.codes.copy_(torch.randn(4, 3))
    e = torch.randn(2, 3, 5, 7)
    q, index = Q(e)
    assert (q.shape, index.shape, index.dtype) == (e.shape, (2, 5, 7), torch.int64)
    for b, row, column in [(0, 0, 0), (1, 4, 6), (0, 2, 5)]:
        distance = (Q.codes - e[b, :, row, column]).square().sum(1)
        assert index[b, row, column] == distance.argmin()
        assert torch.equal(q[b, :, row, column], Q.codes[distance.argmin()])


def test_codes_come_to_the_means_of_their_vectors():
    Q, middles = trained()
    e = group(middles, B=400)
    _, index = Q.eval()(e)
    vectors = e.movedim(1, -1)
    used = index.unique()
    assert len(used) >= 6
    for k in used:
        assert (vectors[index == k].mean(dim=0) - Q.codes[k]).abs().max() < 0.3


def test_one_step_is_the_moving_average():
    Q = Quantiser(2, 1, decay=0.8).train()
    Q.codes.copy_(torch.tensor([[0.0], [10.0]]))
    Q.count.copy_(torch.tensor([5.0, 5.0]))
    Q.total.copy_(torch.tensor([[0.0], [50.0]]))
    Q(torch.tensor([1.0, 2.0, 9.0, -1.0]).view(1, 1, 1, 4))
    torch.testing.assert_close(Q.count, torch.tensor([0.8 * 5 + 0.2 * 3, 0.8 * 5 + 0.2]))
    torch.testing.assert_close(Q.total, torch.tensor([[0.2 * 2.0], [0.8 * 50 + 0.2 * 9]]))
    torch.testing.assert_close(Q.codes, Q.total / Q.count[:, None])


def test_the_first_batch_places_the_codes_and_dead_ones_are_woken():
    torch.manual_seed(0)
    Q = Quantiser(3, 2, decay=0.5).train()
    e = torch.randn(2, 2, 4, 4) + 100
    Q(e)
    vectors = e.movedim(1, -1).flatten(0, 2)
    assert (Q.codes.mean(0) - 100).abs().max() < 3
    Q.codes[2] = -1e4  # nobody chooses it any more
    Q.total[2] = -1e4 * Q.count[2]
    for _ in range(6):
        Q(e)
    assert torch.cdist(Q.codes, vectors).min(dim=1).values.max() < 3


def test_no_gradient_passes_and_evaluation_changes_nothing():
    Q, middles = trained()
    e = group(middles).requires_grad_()
    q, _ = Q(e)
    assert not q.requires_grad
    assert [*Q.parameters()] == []
    before = {name: value.clone() for name, value in Q.eval().state_dict().items()}
    assert before.keys() == {"codes", "count", "total"}
    Q(e)
    assert all(torch.equal(value, before[name]) for name, value in Q.state_dict().items())


def test_a_saved_quantiser_goes_on_and_does_not_start_again():
    Q, middles = trained()
    other = Quantiser(12, 3, 0.9).train()
    other.load_state_dict(Q.state_dict())
    e = group(middles)
    Q(e), other(e)
    torch.testing.assert_close(other.codes, Q.codes)


def test_the_loss_moves_codes_to_vectors_and_vectors_to_codes():
    torch.manual_seed(0)
    e, q = (torch.randn(3, 4, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    loss = vq(e, q, commitment=0.3)
    assert loss.shape == (3,)
    to_e, to_q = torch.autograd.grad(loss.sum(), (e, q))
    torch.testing.assert_close(to_q, 2 * (q - e))
    torch.testing.assert_close(to_e, 0.3 * 2 * (e - q))
    torch.testing.assert_close(loss, 1.3 * (e - q).square().sum(dim=(1, 2, 3)))


def test_codes_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\[2, 3\] vectors and \[2, 4\] codes"):
        vq(torch.zeros(2, 3), torch.zeros(2, 4))
