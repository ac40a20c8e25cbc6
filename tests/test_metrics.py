"""The ruler against other formulations, its edge cases, and what each measure must notice."""

import json

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import entropy
from sklearn.neighbors import NearestNeighbors

from genimg_utils import data, metrics, networks, runtime


def cloud(n, d, seed=0, shift=0.0):
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=g, dtype=torch.float64)
    return torch.randn(n, d, generator=g, dtype=torch.float64) @ mix + shift


def by_scipy(x, y):
    """Fréchet distance by the general matrix square root, as the textbook writes it."""
    a, b = np.cov(x.numpy(), rowvar=False), np.cov(y.numpy(), rowvar=False)
    means = x.numpy().mean(0) - y.numpy().mean(0)
    return float(means @ means + np.trace(a + b - 2 * sqrtm(a @ b).real))


def test_frechet_agrees_with_scipy():
    x, y = cloud(500, 64), cloud(400, 64, seed=1, shift=0.3)
    assert metrics.frechet(x, y) == pytest.approx(by_scipy(x, y), rel=1e-6)
    assert metrics.frechet(x, y) == pytest.approx(metrics.frechet(y, x), rel=1e-9)


def test_frechet_agrees_with_torchmetrics():
    fid = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics is not installed")
    x, y = cloud(300, 16), cloud(300, 16, seed=1)
    theirs = fid._compute_fid(x.mean(0), x.T.cov(), y.mean(0), y.T.cov())
    assert metrics.frechet(x, y) == pytest.approx(theirs.item(), rel=1e-6)


def test_frechet_in_one_dimension_is_two_squares():
    x, y = cloud(1000, 1), cloud(1000, 1, seed=3, shift=2)
    squares = (x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2
    assert metrics.frechet(x, y) == pytest.approx(squares.item(), rel=1e-9)


def test_frechet_of_a_set_with_itself_is_zero():
    for seed in range(4):
        x = cloud(200, 32, seed)
        assert 0 <= metrics.frechet(x, x) < 1e-6


def test_frechet_survives_a_singular_covariance():
    x, y = cloud(400, 8), cloud(400, 8, seed=1)
    x[:, 3:] = 0  # features that no picture switches on
    x[:, 1] = x[:, 0]
    assert metrics.frechet(x, y) == pytest.approx(metrics.frechet(y, x), rel=1e-6)
    assert np.isfinite(metrics.frechet(x, y))
    assert metrics.frechet(x, x) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("N", [10, 32])
def test_fewer_pictures_than_dimensions_are_said_so(N):
    with pytest.warns(UserWarning, match=f"{N} pictures in 32 dimensions"):
        metrics.frechet(cloud(N, 32), cloud(N, 32))


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        (torch.zeros(1, 4), "N ≥ 2"),
        (torch.zeros(3, 2, 2), "N ≥ 2"),
        (torch.full((9, 2), torch.nan), "NaN"),
        (torch.zeros(9, 3), "3 and of 4 dimensions"),
    ],
)
def test_bad_features_get_a_sentence(features, sentence):
    with pytest.raises(ValueError, match=sentence):
        metrics.frechet(features, torch.randn(9, 4))


@pytest.mark.parametrize("k", [3, 5])
def test_precision_and_recall_agree_with_neighbours_found_by_sklearn(k):
    real, fake = cloud(300, 6), 1.5 * cloud(200, 6, seed=0)[:200]

    def share(points, manifold):
        tree = NearestNeighbors(n_neighbors=k + 1).fit(manifold)
        radius = tree.kneighbors(manifold)[0][:, k]
        distances = np.linalg.norm(points[:, None] - manifold[None], axis=2)
        return (distances <= radius + 1e-12).any(axis=1).mean()

    precision, recall = metrics.precision_recall(real, fake, k)
    assert precision == pytest.approx(share(fake.numpy(), real.numpy()))
    assert recall == pytest.approx(share(real.numpy(), fake.numpy()))
    assert metrics.inside(fake, real, k, chunk=64) == precision


def test_precision_sees_bad_pictures_and_recall_missing_ones():
    real = torch.cat([torch.randn(200, 2), torch.randn(200, 2) + 20])
    half = torch.randn(400, 2)  # good pictures of one kind only
    precision, recall = metrics.precision_recall(real, half)
    assert precision > 0.9
    assert recall < 0.6
    precision, recall = metrics.precision_recall(half, real)  # both kinds, one of them wrong
    assert precision < 0.6
    assert recall > 0.9
    with pytest.raises(ValueError, match="more than k"):
        metrics.precision_recall(real[:3], half)


def test_class_histogram_and_sure_share():
    logits = torch.tensor([[9.0, 0, 0], [9, 0, 0], [0, 9, 0], [0.1, 0, 0]])
    assert metrics.class_histogram(logits).tolist() == [0.75, 0.25, 0]
    assert metrics.confident_share(logits) == 0.75
    assert metrics.confident_share(logits, above=0.3) == 1
    assert metrics.confident_share(torch.tensor([[9.0, 9, 0]])) == 0  # sure of two classes is sure of none


def test_coverage_counts_modes_good_samples_and_evenness():
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    even = centres.repeat(25, 1)
    assert metrics.mode_coverage(even, centres, 0.1) == (4, pytest.approx(0, abs=1e-9), 1.0)
    one = centres[:1].repeat(10, 1)
    assert metrics.mode_coverage(one, centres, 0.1) == (1, pytest.approx(np.log(4)), 1.0)
    at, beyond = centres + torch.tensor([0.39, 0.0]), centres + torch.tensor([0.41, 0.0])
    assert metrics.mode_coverage(at, centres, 0.1).good == 1.0
    far = metrics.mode_coverage(torch.cat([at[:1], beyond[1:]]), centres, 0.1)
    assert (far.modes, far.good) == (1, 0.25)  # bad samples count in the histogram, and reach no mode
    assert far.kl == pytest.approx(0, abs=1e-9)


def test_kl_from_even_agrees_with_scipy_and_refuses_nothing():
    counts = torch.tensor([5, 0, 3, 2])
    assert metrics.kl_from_even(counts) == pytest.approx(entropy(counts.numpy(), np.full(4, 0.25)))
    with pytest.raises(ValueError, match="no sample"):
        metrics.kl_from_even(torch.zeros(4))


def test_memorising_is_seen_and_chance_stays_within_its_margin():
    g = torch.Generator().manual_seed(0)
    training, held_out = torch.randn(2, 200, 16, generator=g)
    copies = training[torch.randint(200, (1000,), generator=g)] + 0.05 * torch.randn(1000, 16, generator=g)
    share, margin = metrics.nearer_to_training(copies, training, held_out)
    assert share > 0.99 > 0.5 + 3 * margin
    fresh = torch.randn(1000, 16, generator=g)
    deviations = []
    for _ in range(200):  # which of the real pictures were trained on, drawn anew
        shuffled = torch.cat([training, held_out])[torch.randperm(400, generator=g)]
        share, margin = metrics.nearer_to_training(fresh, shuffled[:200], shuffled[200:])
        deviations.append(abs(share - 0.5) <= margin)
    assert 0.9 <= sum(deviations) / 200 <= 0.99  # 95 %


def test_copying_a_large_training_set_is_seen_beside_a_small_held_out_one():
    g = torch.Generator().manual_seed(0)
    training, held_out = torch.randn(900, 16, generator=g), torch.randn(100, 16, generator=g)
    share, margin = metrics.nearer_to_training(training + 0.05, training, held_out)
    assert share > 0.99 > 0.9 + 2 * margin
    share, margin = metrics.nearer_to_training(torch.randn(1000, 16, generator=g), training, held_out)
    assert abs(share - 0.9) < 2 * margin


def test_memorising_needs_pictures_of_both_kinds():
    with pytest.raises(ValueError, match="Both training and held-out"):
        metrics.nearer_to_training(torch.zeros(2, 4), torch.zeros(3, 4), torch.zeros(0, 4))


@pytest.fixture(scope="module")
def ruler():
    return metrics.ruler("mnist-5k")


def test_the_ruler_s_floor_is_the_one_that_the_benchmark_states(ruler):
    """The shipped classifier, its moments and the data fit together."""
    floor = json.loads((runtime.REPOSITORY / "benchmarks/results/gan_training.json").read_text())["floor"]
    training = data.load("mnist-5k").images
    assert ruler.distance(training) == pytest.approx(floor["FD-64"], rel=1e-2)
    assert ruler.reference.N == 10_000


def test_the_ruler_is_accurate_and_takes_bytes_and_floats(ruler):
    test = data.load("mnist-5k", "test")
    logits = ruler.logits(test.images)
    assert (logits.argmax(1) == test.labels).double().mean() >= 0.99
    torch.testing.assert_close(logits, ruler.logits(test.images / 127.5 - 1))
    with pytest.raises(ValueError, match="uint8, or floats"):
        ruler.logits(test.images.float())


def test_the_ruler_grows_with_damage(ruler):
    real = data.load("mnist-5k").images[::4] / 127.5 - 1
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    distances = [ruler.distance((real + amount * noise).clamp(-1, 1)) for amount in (0, 0.3, 0.6)]
    assert distances[0] < distances[1] < distances[2]
    one_class = real[: len(real) // 10].repeat(10, 1, 1, 1)
    assert ruler.distance(one_class) > 5 * distances[0]


@pytest.mark.parametrize(
    ("dataset", "name"), [("mnist", "mnist"), ("mnist-5k", "mnist"), ("fashion-mnist", "fashion-mnist")]
)
def test_each_data_set_has_its_own_ruler(dataset, name):
    ruler, classifier = metrics.ruler(dataset), networks.load(f"classifier-{name}")
    assert torch.equal(ruler.classifier.head.weight, classifier.head.weight)
    assert np.array_equal(ruler.reference.covariance, classifier.covariance.numpy())
    assert ruler.reference.mean.dtype == ruler.reference.covariance.dtype == np.float64


def test_an_unknown_ruler_gets_a_sentence():
    with pytest.raises(ValueError, match="no ruler for 'cats'"):
        metrics.ruler("cats")


# ---- translations against the truth


def pictures(seed, size=32):
    return torch.randint(0, 256, (4, 3, size, size), generator=torch.Generator().manual_seed(seed)).byte()


@pytest.mark.parametrize("size", [6, 32])
def test_ssim_agrees_with_torchmetrics(size):
    image = pytest.importorskip("torchmetrics.functional.image", reason="torchmetrics is not installed")
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(3, 3, size, size, generator=generator) * 2 - 1
    for b in (a.flip(3), (a + 0.3 * torch.randn(a.shape, generator=generator)).clamp(-1, 1), a.mean() + 0 * a):
        theirs = image.structural_similarity_index_measure((a + 1) / 2, (b + 1) / 2, data_range=1.0)
        assert metrics.ssim(a, b) == pytest.approx(theirs.item(), abs=1e-5)
    assert metrics.ssim(a, a) == pytest.approx(1, abs=1e-6)


def test_ssim_counts_brightness_from_black():
    """Around mid-grey, 0 in our range, no ratio of means makes sense."""
    grey, light, black = (torch.full((1, 1, 16, 16), v) for v in (0.0, 0.5, -1.0))
    C1 = 0.01**2
    assert metrics.ssim(grey, light) == pytest.approx((2 * 0.5 * 0.75 + C1) / (0.5**2 + 0.75**2 + C1), abs=1e-5)
    assert metrics.ssim(black, light) == pytest.approx(C1 / (0.75**2 + C1), abs=1e-5)


def test_l1_by_object_is_a_share_of_the_range_over_the_pixels_of_each():
    truth = torch.zeros(2, 3, 4, 4)
    mapped = truth.clone()
    mapped[0, :, 0, 0] = 1.0  # half the range, one pixel of 32
    masks = {"corner": np.zeros((2, 4, 4), bool), "rest": np.ones((2, 4, 4), bool)}
    masks["corner"][:, 0, 0] = True
    masks["rest"] &= ~masks["corner"]
    assert metrics.l1_by_object(mapped, truth, masks) == pytest.approx({"all": 0.5 / 32, "corner": 0.25, "rest": 0.0})


def test_the_best_map_of_colours_finds_a_recolouring_and_no_shape():
    x = (pictures(0) // 16) * 16 + 8  # one colour a cell
    negative = 255 - x
    found = metrics.colour_map(x, negative)
    torch.testing.assert_close(found(x), negative / 127.5 - 1)
    shifted = metrics.colour_map(x, negative.roll(1, dims=-1))
    assert (shifted(x) - (negative.roll(1, dims=-1) / 127.5 - 1)).abs().mean() > 0.01
    unseen = torch.zeros(1, 3, 4, 4).byte()
    assert (metrics.colour_map(x[:1, :, :1, :1] // 2 + 64, x[:1, :, :1, :1])(unseen) + 1).abs().max() < 16 / 127.5


def test_the_kernel_distance_agrees_with_torchmetrics_and_is_unbiased():
    kid = pytest.importorskip("torchmetrics.image.kid", reason="torchmetrics is not installed")
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(300, 8, generator=generator), torch.randn(200, 8, generator=generator) + 0.3
    theirs = kid.poly_mmd(a.double()[:200], b.double())
    assert metrics.kernel_distance(a[:200], b) == pytest.approx(theirs.item(), rel=1e-9)
    by_pairs = [((u @ v / 8 + 1) ** 3).item() for u in a[:40].double() for v in b[:30].double()]
    own = [(a[:40], 40), (b[:30], 30)]
    within = [
        sum(((u @ v / 8 + 1) ** 3).item() for i, u in enumerate(c.double()) for j, v in enumerate(c.double()) if i != j)
        / (n * (n - 1))
        for c, n in own
    ]
    expected = sum(within) - 2 * sum(by_pairs) / len(by_pairs)  # of unequal numbers
    assert metrics.kernel_distance(a[:40], b[:30]) == pytest.approx(expected, rel=1e-9)
    alike = [metrics.kernel_distance(*torch.randn(2, 50, 8, generator=generator)) for _ in range(200)]
    assert abs(sum(alike) / 200) < 4 * torch.tensor(alike).std().item() / 200**0.5
    with pytest.raises(ValueError, match="N, M ≥ 2"):
        metrics.kernel_distance(a[:1], b)


def test_the_kernel_distance_counts_each_pair_once_however_many_blocks_there_are():
    a, b = torch.randn(2, 2300, 4, generator=torch.Generator().manual_seed(0)).double()
    k = [((u @ v.T) / 4 + 1) ** 3 for u, v in ((a, a), (b[:1001], b[:1001]), (a, b[:1001]))]
    within = [(m.sum() - m.diagonal().sum()) / (len(m) * (len(m) - 1)) for m in k[:2]]
    assert metrics.kernel_distance(a, b[:1001]) == pytest.approx((sum(within) - 2 * k[2].mean()).item(), rel=1e-9)


@pytest.mark.parametrize("chunk", [1000, 7])
def test_density_and_coverage_agree_with_balls_counted_one_by_one(chunk):
    real, fake = cloud(60, 3).numpy(), 1.3 * cloud(40, 3).numpy()
    k, held = 4, np.zeros((60, 40), bool)
    for i, point in enumerate(real):
        radius = np.sort(np.linalg.norm(real - point, axis=1))[k]  # the first is the point itself
        held[i] = np.linalg.norm(fake - point, axis=1) < radius
    density, coverage = metrics.density_coverage(torch.tensor(real), torch.tensor(fake), k, chunk)
    assert density == pytest.approx(held.sum() / (k * 40))
    assert coverage == pytest.approx(held.any(axis=1).mean())


def test_density_is_one_where_real_meets_real_and_one_stray_real_picture_does_not_move_it():
    g = torch.Generator().manual_seed(0)
    real, other = torch.randn(2, 2000, 4, generator=g)
    density, coverage = metrics.density_coverage(real, other)
    assert density == pytest.approx(1, abs=0.1)
    assert coverage == pytest.approx(1 - 0.5**5, abs=0.02)  # Naeem et al. 2020, section 3.3: 1 − 1 / 2^k
    stray = torch.cat([real, torch.full((1, 4), 9.0)])  # one real picture far out: its ball is huge
    bad = torch.full((500, 4), 5.0)
    assert metrics.precision_recall(stray, bad, k=5)[0] == 1
    assert metrics.density_coverage(stray, bad)[0] == pytest.approx(1 / 5)
    with pytest.raises(ValueError, match="More than k"):
        metrics.density_coverage(real[:5], other)
