"""
llama.cpp's own server, with a model of a few megabytes that is made here: it says one text, whatever it is asked.

Each piece of the text is a token, and each token leads to the one behind it. The only layer adds nothing, since its weights
are zero, so what comes next depends on the last token alone: a continued text resumes where it ended.

Usage: llama-server.py MODEL.gguf PORT KEY, with the pieces of the text as a list in JSON on standard input.
"""

import json
import sys
import threading

import gguf
import numpy
import xllamacpp

SPECIAL = ["<unk>", "<s>", "</s>"]
# All other text is tokenized byte by byte.
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
CONTEXT = 2048


def write_model(path, pieces):
    tokens = SPECIAL + BYTES + pieces
    first, end = len(SPECIAL) + len(BYTES), SPECIAL.index("</s>")
    size = -(-len(tokens) // 64) * 64
    embedding = numpy.zeros((len(tokens), size), dtype=numpy.float32)
    output = numpy.zeros((len(tokens), size), dtype=numpy.float32)
    for token in range(len(tokens)):
        embedding[token, token] = 1
        following = token + 1 if token >= first else first
        output[following if following < len(tokens) else end, token] = 1

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(size)
    writer.add_head_count(1)
    writer.add_rope_dimension_count(size)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    kind = gguf.TokenType
    # These pieces are single tokens in a prompt.
    writer.add_token_types(
        [kind.UNKNOWN, kind.CONTROL, kind.CONTROL] + [kind.BYTE] * len(BYTES) + [kind.USER_DEFINED] * len(pieces)
    )
    writer.add_bos_token_id(SPECIAL.index("<s>"))
    writer.add_eos_token_id(end)
    writer.add_unk_token_id(SPECIAL.index("<unk>"))
    writer.add_add_space_prefix(False)
    writer.add_chat_template("{% for message in messages %}{{ message.content }}\n{% endfor %}")
    for name, weights in {"token_embd": embedding, "output": output}.items():
        writer.add_tensor(f"{name}.weight", weights)
    for name in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"]:
        writer.add_tensor(f"{name}.weight", numpy.ones(size, dtype=numpy.float32))
    for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]:
        writer.add_tensor(f"blk.0.{name}.weight", numpy.zeros((size, size), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


path, port, key = sys.argv[1:]
write_model(path, json.load(sys.stdin))
params = xllamacpp.CommonParams()
params.model.path = path
params.hostnames = ["127.0.0.1"]
params.port = int(port)
params.api_keys = [key]
params.n_ctx = CONTEXT
params.sampling.temp = 0
params.verbosity = 1
server = xllamacpp.Server(params)
threading.Event().wait()
