"""A model that fastembed can load: made here, tiny, and laid out as Hugging Face's cache has it.

It knows a few words; what means the same has the same vector.
"""

import json
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

NAME = "tests/tiny-portuguese"
DIMENSIONS = 8
WORDS = ("cão", "cachorro", "gato", "prazo", "entrega", "troca")
SAME = {"cachorro": "cão"}
_REVISION = "0" * 40


def lay_out(folder: Path) -> None:
    """Put it where fastembed looks before it asks the network."""
    cached = folder / f"models--{NAME.replace('/', '--')}"
    snapshot = cached / "snapshots" / _REVISION
    snapshot.mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(_REVISION)
    vocabulary = {"[PAD]": 0, "[UNK]": 1} | {word: n for n, word in enumerate(WORDS, 2)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    tokenizer.save(str(snapshot / "tokenizer.json"))
    config = {"model_max_length": 32, "pad_token": "[PAD]"}
    (snapshot / "tokenizer_config.json").write_text(json.dumps(config))
    (snapshot / "config.json").write_text(json.dumps({"pad_token_id": 0}))
    onnx.save(_graph(vocabulary), str(snapshot / "model.onnx"))


def _graph(vocabulary: dict[str, int]) -> onnx.ModelProto:
    rows = numpy.zeros((len(vocabulary), DIMENSIONS), dtype=numpy.float32)
    for word, number in vocabulary.items():
        rows[number, vocabulary[SAME.get(word, word)] % DIMENSIONS] = 1
    ids, mask = (
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    )
    states = helper.make_tensor_value_info(
        "last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", DIMENSIONS]
    )
    graph = helper.make_graph(
        [helper.make_node("Gather", ["words", "input_ids"], ["last_hidden_state"])],
        "tiny",
        [ids, mask],
        [states],
        [numpy_helper.from_array(rows, "words")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
