"""Two domains: drawn, in folders, in zips; and zips that climb, link, bomb or break."""

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genimg_utils import data, runtime, seasons, unpaired

REAL = Path(os.environ.get("GENIMG_TEST_DATA") or runtime.REPOSITORY.parent / "shared" / "datasets") / "unpaired"
COUNTS = {"trainA": 4, "trainB": 3, "testA": 2, "testB": 2}


def picture(grey, size=(20, 12), kind="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, (grey, 0, 255 - grey)).save(buffer, kind)
    return buffer.getvalue()


def files(counts=COUNTS):
    return {f"{folder}/p{i}.png": picture(20 * i + 5) for folder, n in counts.items() for i in range(n)}


def zipped(path, contents, top="things/"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"{top}{name}" if isinstance(name, str) else name, content)
    return path


def foldered(root, contents):
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path):
    """A function from contents to a folder or a zip of them."""

    def make(contents):
        if request.param == "folder":
            return foldered(tmp_path / "mine", contents)
        return zipped(tmp_path / "mine.zip", contents)

    return make


# ---- drawn


@pytest.mark.parametrize("size", [32, 64])
def test_the_seasons_of_training_share_no_scene_and_those_of_the_test_all(size):
    train, test = unpaired.load("seasons", "train", size), unpaired.load("seasons", "test", size)
    assert train.A.shape == train.B.shape == (4000, 3, size, size)
    assert train.A.dtype == torch.uint8
    assert train.pairs is None
    assert test.pairs.tolist() == [[i, i] for i in range(500)]
    same = seasons.render(seasons.scenes(500, 3), "winter", size)
    assert np.array_equal(test.B.numpy(), same)
    winters = seasons.render(seasons.scenes(4000, 1), "winter", size)  # the truth of the summers of training
    assert not {p.tobytes() for p in winters} & {p.tobytes() for p in train.B.numpy()}


def test_the_switches_reach_the_scenes():
    plain, flowering = unpaired.load("seasons", "test"), unpaired.load("seasons", "test", flowers=True)
    assert torch.equal(plain.B, flowering.B)
    assert not torch.equal(plain.A, flowering.A)
    assert not torch.equal(plain.B, unpaired.load("seasons", "test", paint=True).B)


# ---- folders and zips


def test_pictures_come_sorted_resized_and_in_their_split(source):
    where = source(files())
    train, test = unpaired.load(where, "train", 16), unpaired.load(where, "test", 8)
    assert train.A.shape == (4, 3, 16, 16)
    assert train.B.shape == (3, 3, 16, 16)
    assert test.A.shape == (2, 3, 8, 8)
    assert train.A[:, 0, 8, 8].tolist() == [5, 25, 45, 65]
    assert train.pairs is None
    assert test.pairs.tolist() == [[0, 0], [1, 1]]


def test_equal_names_make_no_pairs_in_training(source):
    assert unpaired.load(source(files(COUNTS | {"trainB": 4})), "train").pairs is None


def test_pairs_do_not_depend_on_the_order_in_a_zip(tmp_path):
    contents = files()
    contents["testA/p0.png"] = contents.pop("testA/p0.png")
    test = unpaired.load(zipped(tmp_path / "order.zip", contents), "test", 8)
    assert test.pairs is not None
    assert torch.equal(test.A, test.B)


def test_names_that_differ_make_no_pairs(source):
    contents = files()
    contents["testB/other.png"] = contents.pop("testB/p1.png")
    assert unpaired.load(source(contents), "test").pairs is None


def test_a_broken_picture_is_named_and_left_out(source):
    contents = files() | {"trainA/p1.png": b"\x89PNG no picture", "trainA/notes.txt": b"hello"}
    with pytest.warns(UserWarning, match="trainA/p1 in .* is left out"):
        found = unpaired.load(source(contents), "train")
    assert len(found.A) == 3


@pytest.mark.parametrize("missing", ["trainA", "trainB"])
def test_too_few_pictures_are_refused(source, missing):
    contents = {name: c for name, c in files().items() if not name.startswith(missing)}
    with pytest.raises(ValueError, match=rf"has 0 readable picture\(s\) in {missing}; 2 are needed"):
        unpaired.load(source(contents), "train")


# ---- zips that mean harm


def test_nothing_is_ever_unpacked_so_nothing_climbs(tmp_path):
    contents = files() | {"../../trainA/evil.png": picture(200), "/etc/trainA/evil2.png": picture(210)}
    (tmp_path / "sub").mkdir()
    path = zipped(tmp_path / "sub" / "climb.zip", contents)
    before = sorted(tmp_path.rglob("*"))
    unpaired.load(path, "train")
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/etc/trainA").exists()


def test_a_link_is_left_out_with_a_warning(tmp_path):
    link = zipfile.ZipInfo("x/trainA/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = zipped(tmp_path / "link.zip", files() | {link: "/etc/passwd"})
    with pytest.warns(UserWarning, match="trainA/link in .* is left out: it is a link"):
        assert len(unpaired.load(path, "train").A) == 4


@pytest.mark.parametrize("lie", [False, True])
def test_a_bomb_is_refused_whatever_its_header_says(tmp_path, lie):
    path = zipped(tmp_path / "bomb.zip", files() | {"trainA/zeros.png": bytes(unpaired.LARGEST + 10)})
    assert path.stat().st_size < 10**5
    if lie:  # the central directory promises 100 bytes
        content = bytearray(path.read_bytes())
        size = struct.pack("<I", unpaired.LARGEST + 10)
        at = content.rindex(size)
        content[at : at + 4] = struct.pack("<I", 100)
        path.write_bytes(content)
    with pytest.warns(UserWarning, match="trainA/zeros in .* is left out" + ("" if lie else ": it unpacks to more")):
        assert len(unpaired.load(path, "train").A) == 4


def test_no_more_of_a_bomb_is_read_than_shows_it(tmp_path, monkeypatch):
    asked = []
    read = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n=-1: asked.append(n) or read(self, n))
    unpaired.load(zipped(tmp_path / "plain.zip", files()), "train")
    assert {*asked} == {unpaired.LARGEST + 1}


def test_a_picture_of_absurd_size_is_left_out(tmp_path):
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 10**5, 10**5, 8, 2, 0, 0, 0)
    path = zipped(tmp_path / "big.zip", files() | {"trainA/huge.png": header + b"\0" * 30})
    with pytest.warns(UserWarning, match="trainA/huge in .* is left out"):
        assert len(unpaired.load(path, "train").A) == 4


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_a_damaged_zip_gets_a_sentence(tmp_path, cut):
    path = zipped(tmp_path / "cut.zip", files())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"cannot be read as a zip .*: copy or download it again"):
        unpaired.load(path, "train")


def test_a_zip_with_a_flipped_byte_leaves_out_what_it_hit(tmp_path):
    path = zipped(tmp_path / "flip.zip", files())
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF  # in the first picture's bytes
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="trainA/p0 in .* is left out"):
        assert len(unpaired.load(path, "train").A) == 3


def test_what_is_not_there_gets_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="is no folder, no zip, and none of the sets seasons, horse2zebra"):
        unpaired.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no split 'validation'"):
        unpaired.load("seasons", "validation")
    with pytest.raises(ValueError, match="switches of the drawn seasons"):
        unpaired.load(tmp_path, flowers=True)
    monkeypatch.setenv("GENIMG_DATA", str(tmp_path))
    monkeypatch.setenv("GENIMG_OFFLINE", "1")
    with pytest.raises(data.DataUnavailable, match=r"horse2zebra: horse2zebra\.zip is not at hand"):
        unpaired.load("horse2zebra")


def test_a_downloaded_zip_that_is_not_the_promised_one_is_never_used(tmp_path, monkeypatch):
    monkeypatch.setenv("GENIMG_DATA", str(tmp_path))
    monkeypatch.setenv("GENIMG_OFFLINE", "1")
    (tmp_path / "horse2zebra").mkdir()
    zipped(tmp_path / "horse2zebra" / "horse2zebra.zip", files())
    with pytest.warns(UserWarning, match="is not used"), pytest.raises(data.DataUnavailable):
        unpaired.load("horse2zebra")


@pytest.mark.parametrize("name", ["twemoji2noto", "twemoji2fluentui"])
def test_real_drawings_come_with_held_out_pairs(name):
    path = REAL / f"{name}.zip"
    if not path.is_file():
        pytest.skip(f"no real files in {REAL}; GENIMG_TEST_DATA says where they are")
    train, test = unpaired.load(path, "train", 64), unpaired.load(path, "test", 64)
    assert min(len(train.A), len(train.B)) > 800
    assert len(test.pairs) == len(test.A) == len(test.B) > 200
    assert (test.A[:, :, 0, 0] > 240).double().mean() > 0.8  # on white
