"""Builds the C++ sources of this folder once for this machine and loads them.

The library is kept by the checksum of the sources, the compiler and the processor's features: a folder that
moves to another machine is built anew there.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

from model.durable_file import publish

log = logging.getLogger(__name__)

SOURCES = Path(__file__).parent
FLAGS = ("-std=c++20", "-O3", "-march=native", "-shared", "-fPIC", "-pthread")
BUILD_SECONDS = 180
NEEDED = ("avx512_f", "avx512_bw", "avx512_vnni")  # as torch names them


class NativeUnavailable(RuntimeError):
    """This machine cannot run or build the native step; the message says why."""


def load_library(folder: Path) -> ctypes.CDLL:
    """The library, built into `folder` unless one that loads is there; raises NativeUnavailable."""
    check_processor()
    compiler = _compiler()
    path = folder / f"decoder-step-{_key(compiler)}.so"
    if not path.is_file():
        _build(compiler, path)
    try:
        return _open(path)
    except NativeUnavailable as reason:
        _build_again(compiler, path, str(reason))
        return _open(path)


def check_processor() -> None:
    """Raise NativeUnavailable unless the processor has the instructions that the source is written in."""
    capabilities = torch.cpu.get_capabilities()
    missing = [name for name in NEEDED if not capabilities.get(name)]
    if missing:
        raise NativeUnavailable(f"the processor has no {', '.join(missing)}")


@cache
def _open(path: Path) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise NativeUnavailable(f"{path} cannot be loaded: {error}") from error
    library.footnote_team.restype = ctypes.c_void_p
    library.footnote_encode.restype = ctypes.c_bool
    library.footnote_tiles.restype = ctypes.c_bool
    library.footnote_has_tiles.restype = ctypes.c_bool
    use_tiles(library)
    library.footnote_hidden.restype = ctypes.c_int64
    return library


def use_tiles(library: ctypes.CDLL, wanted: bool = True) -> bool:
    """Let the steps use the processor's matrix unit (AMX), or not; whether they do from now on.

    Products are the same to the last bit either way; attention adds in another order.
    """
    return bool(library.footnote_tiles(ctypes.c_bool(wanted)))


def has_tiles(library: ctypes.CDLL) -> bool:
    """Whether the steps use the matrix unit now."""
    return bool(library.footnote_has_tiles())


def _compiler() -> str:
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        raise NativeUnavailable("there is no C++ compiler: install g++, or set CXX")
    return compiler


def _key(compiler: str) -> str:
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    features = repr(sorted(torch.cpu.get_capabilities().items())).encode()
    digest = hashlib.sha256(repr(FLAGS).encode() + version + features)
    for path in sorted((*SOURCES.glob("*.h"), *SOURCES.glob("*.cpp"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache  # once a process: a folder that lets no library load is not helped by building more
def _build_again(compiler: str, path: Path, reason: str) -> None:
    log.warning("the native library is built again: %s", reason)
    _build(compiler, path)


def _build(compiler: str, path: Path) -> None:
    """Compile beside the target and rename: two processes that build at once do not disturb each other."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            made = Path(scratch) / path.name
            _compile(compiler, made)
            publish(made, path)
    except OSError as error:
        raise NativeUnavailable(f"{path} cannot be written: {error}") from error


def _compile(compiler: str, made: Path) -> None:
    command = [compiler, *FLAGS, "-o", str(made), *map(str, sorted(SOURCES.glob("*.cpp")))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise NativeUnavailable(f"{compiler} took more than {BUILD_SECONDS} s") from None
    if done.returncode != 0:
        raise NativeUnavailable(f"{compiler} failed: {done.stderr.strip()[-400:]}")
