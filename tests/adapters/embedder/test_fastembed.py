"""Embeddings by the package fastembed itself, on this machine's processor."""

import math

import pytest
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

from app.adapters.embedder.fastembed import EMBEDDER
from app.core.settings import Settings
from app.ports.embedder import EmbedderRefused, EmbedderUnavailable
from tests.support.onnx_model import DIMENSIONS, NAME, lay_out

pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture(scope="module", autouse=True)
def known_to_the_package():
    TextEmbedding.add_custom_model(
        NAME,
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf=NAME),
        dim=DIMENSIONS,
        model_file="model.onnx",
    )


async def test_texts_become_vectors_by_a_model_that_is_loaded_once(tmp_path):
    lay_out(tmp_path / "models")
    async with EMBEDDER.open(Settings(data_dir=tmp_path)) as embedder:
        assert embedder.is_configured
        texts = ["cão", "cachorro", "gato", "prazo entrega"]
        vectors = await embedder.embed(NAME, texts, purpose="document", total_s=60)
        (asked,) = await embedder.embed(NAME, ["Cachorro"], purpose="query", total_s=60)
    assert [len(vector) for vector in vectors] == [DIMENSIONS] * 4
    assert all(math.isclose(math.hypot(*vector), 1, abs_tol=1e-5) for vector in vectors)
    alike = [sum(a * b for a, b in zip(asked, vector, strict=True)) for vector in vectors]
    assert alike[:2] == pytest.approx([1, 1], abs=1e-5)
    assert max(alike[2:]) < 0.1


async def test_a_model_that_the_package_does_not_know_is_refused(tmp_path):
    async with EMBEDDER.open(Settings(data_dir=tmp_path)) as embedder:
        with pytest.raises(EmbedderRefused, match="no model"):
            await embedder.embed("nobody/nothing", ["a"], purpose="query", total_s=60)


async def test_a_model_that_cannot_be_loaded_fails_in_time(tmp_path):
    async with EMBEDDER.open(Settings(data_dir=tmp_path)) as embedder:
        with pytest.raises(EmbedderUnavailable):
            await embedder.embed(NAME, ["a"], purpose="query", total_s=2)
