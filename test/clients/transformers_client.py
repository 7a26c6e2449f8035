"""Makes a tiny model and loads it again, as transformers does. No torch: configuration, tokenizer and weights."""

import json
import os
import sys

job = json.loads(sys.argv[1])


def make(folder):
    import numpy
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, PreTrainedTokenizerFast

    words = ["<unk>", "<s>", "</s>", "air", "gap", "model", "is", "ready"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    fast.save_pretrained(folder)
    LlamaConfig(
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=1,
        eos_token_id=2,
    ).save_pretrained(folder)
    weights = numpy.arange(len(words) * 8, dtype=numpy.float32).reshape(len(words), 8)
    save_file({"model.embed_tokens.weight": weights}, os.path.join(folder, "model.safetensors"))
    return {"files": sorted(os.listdir(folder))}


def load(name):
    import transformers
    from safetensors.numpy import load_file
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import cached_file

    config = AutoConfig.from_pretrained(name)
    tokenizer = AutoTokenizer.from_pretrained(name)
    weights = load_file(cached_file(name, "model.safetensors"))
    absent = cached_file(name, "adapter_config.json", _raise_exceptions_for_missing_entries=False)
    return {
        "version": transformers.__version__,
        "type": config.model_type,
        "hidden": config.hidden_size,
        "tokens": tokenizer("air gap model is ready")["input_ids"],
        "sum": float(weights["model.embed_tokens.weight"].sum()),
        "absent": absent,
    }


print(json.dumps(make(job["folder"]) if job["do"] == "make" else load(job["name"])))
