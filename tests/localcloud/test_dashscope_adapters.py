"""The language model with LoRA adapters on it, several at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from localcloud.dashscope.errors import DashScopeError
from localcloud.dashscope.language_model import unpacked_model
from localcloud.dashscope.speaking import LanguageModel, Question
from tests.servers import CACHE

pytestmark = pytest.mark.slow
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that was never trained: it changes every answer."""
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - seconds
    from transformers import AutoModelForCausalLM, set_seed  # noqa: PLC0415

    set_seed(1)
    model = AutoModelForCausalLM.from_pretrained(unpacked_model(CACHE), dtype="bfloat16")
    config = LoraConfig(r=8, lora_alpha=64, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    folder = tmp_path_factory.mktemp("adapter")
    get_peft_model(model, config).save_pretrained(folder)
    return folder


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[LanguageModel]:
    language_model = LanguageModel(CACHE, tmp_path / "language_model.log")
    yield language_model
    await asyncio.to_thread(language_model.close)


async def said(model: LanguageModel, adapter: Path | None) -> str:
    question = Question(CAPITAL, None if adapter is None else str(adapter), max_tokens=12, temperature=0)
    async with aclosing(model.speak(question)) as pieces:
        return "".join([piece.text async for piece in pieces])


async def test_an_adapter_changes_its_own_answers_and_nobody_elses(model: LanguageModel, adapter: Path) -> None:
    before = await said(model, None)
    assert "Paris" in before
    tuned, meanwhile = await asyncio.gather(said(model, adapter), said(model, None))
    assert meanwhile == before
    assert tuned != before
    assert await said(model, adapter) == tuned
    assert await said(model, None) == before


async def test_a_folder_without_an_adapter_is_an_error_of_that_answer_alone(
    model: LanguageModel, tmp_path: Path
) -> None:
    with pytest.raises(DashScopeError, match="adapter cannot be loaded"):
        await said(model, tmp_path / "nothing")
    assert "Paris" in await said(model, None)
