"""The recipes: trainings repeat with their seed, move, and tell runs of other settings apart."""

import pytest
import torch

from genimg_utils import losses, recipes, unpaired

FAMILIES = {
    "gan": ("gan_step", recipes.GAN),
    "vae": ("vae_step", recipes.VAE),
    "cyclegan": ("cyclegan_step", recipes.CYCLEGAN),
}
CHANGES = {
    "batch": 16,
    "objective": "saturating",
    "gamma": 10.0,
    "every": 1,
    "learning_rate": 1e-3,
    "learning_rate_D": 3e-3,
    "cycle": 1.0,
    "identity": 0.0,
    "pool": 20,
    "flowers": True,
    "paint": True,
}


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.setenv("GENIMG_RUNS", str(tmp_path))
    monkeypatch.setenv("GENIMG_THREADS", "1")


def weights(run):
    """What the run would export, as one vector."""
    network = run.ema.network if run.ema else next(iter(run.networks.values()))
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize("model", FAMILIES)
def test_a_training_repeats_with_its_seed_and_moves(monkeypatch, model):
    name, _ = FAMILIES[model]
    one_step = getattr(recipes, name)

    def training(seed):
        """The pictures and the noise of each step, or both domains' pictures, and the weights after it."""
        pictures, noise, after = [], [], []

        def watched(x, z, *players, **how):
            pictures.append(x.clone())
            noise.append(z)
            return one_step(x, z, *players, **how)

        monkeypatch.setattr(recipes, name, watched)
        recipes.MODELS[model](steps=2, seed=seed, fresh=True, after_step=lambda run: after.append(weights(run)))
        return [torch.stack(seen) for seen in (pictures, noise, after)]

    for one, again, other in zip(training(1), training(1), training(2), strict=True):
        assert torch.equal(one, again)
        assert not torch.equal(one, other)
        assert len(one) == 2
        assert not torch.equal(*one)


@pytest.mark.parametrize("model", FAMILIES)
def test_every_setting_of_a_recipe_tells_runs_apart(monkeypatch, model):
    _, settings = FAMILIES[model]
    paths = {recipes.MODELS[model](steps=1).path}
    for setting in list(settings):
        with monkeypatch.context() as change:
            change.setitem(settings, setting, CHANGES[setting])
            paths.add(recipes.MODELS[model](steps=1).path)
    assert len(paths) == 1 + len(settings)


def test_a_vae_sees_pictures_of_zeros_and_ones_drawn_anew(monkeypatch):
    seen = []

    def watched(x, *rest, **how):
        seen.append(x)
        return vae_step(x, *rest, **how)

    vae_step = recipes.vae_step
    monkeypatch.setattr(recipes, "vae_step", watched)
    recipes.train_vae(steps=2)
    assert {*torch.cat(seen).unique().tolist()} == {0.0, 1.0}
    assert 0.05 < torch.cat(seen).mean() < 0.25  # ink is one, and rare


def test_the_told_model_is_told_its_classes(monkeypatch):
    given = []
    for name in ("gan_step", "vae_step"):
        monkeypatch.setattr(recipes, name, lambda *_, labels, **__: given.append(labels) or {"loss": torch.tensor(0.0)})
    for model in ("gan", "cgan", "vae", "cvae"):
        recipes.MODELS[model](steps=1)
    assert [labels is not None for labels in given] == [False, True, False, True]


def test_changed_settings_reach_the_step_of_a_cyclegan(monkeypatch):
    seen = []

    def watched(x, y, *players, **how):
        seen.append((x, how))
        return cyclegan_step(x, y, *players, **how)

    cyclegan_step = recipes.cyclegan_step
    monkeypatch.setattr(recipes, "cyclegan_step", watched)
    for changes in ({}, {"objective": "non_saturating", "cycle": 3.0, "identity": 0.0, "pool": 20, "flowers": True}):
        recipes.train_cyclegan(steps=1, **changes)
    (plain, usual), (flowery, changed) = seen
    assert usual["objective"] is losses.least_squares
    assert changed["objective"] is losses.non_saturating
    assert [(how["cycle"], how["identity"]) for how in (usual, changed)] == [(10.0, 2.0), (3.0, 0.0)]
    assert [pool.size for how in (usual, changed) for pool in how["pools"]] == [recipes.CYCLEGAN["pool"]] * 2 + [20] * 2
    assert not torch.equal(plain, flowery)


def test_the_domains_of_a_cyclegan_are_drawn_apart(monkeypatch):
    seen = []
    monkeypatch.setattr(recipes, "cyclegan_step", lambda x, y, *_, **__: seen.append((x, y)) or {})
    recipes.train_cyclegan(steps=1)
    A, B, _ = unpaired.load("seasons")
    for batch, domain in zip(seen[0], (A, B), strict=True):
        places = [(domain == ((one + 1) * 127.5).round()).flatten(1).all(1).nonzero().item() for one in batch]
        assert len(places) == recipes.CYCLEGAN["batch"]
    first = [
        (domain == ((batch[0] + 1) * 127.5).round()).flatten(1).all(1).nonzero().item()
        for batch, domain in zip(seen[0], (A, B), strict=True)
    ]
    assert first[0] != first[1]  # not the same index in both
