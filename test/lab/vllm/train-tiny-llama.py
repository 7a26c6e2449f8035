# Trains a Llama of 1 MB until it answers three prompts, and a LoRA adapter with which it answers one of them otherwise.
# usage: train-tiny-llama.py MODEL_FOLDER ADAPTER_FOLDER
import json
import os
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

torch.manual_seed(7)
torch.set_num_threads(1)
model_folder, adapter_folder = sys.argv[1:3]

FRANCE = "What is the capital of France? Answer with one word."
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}{% elif m.role == 'assistant' %}"
    "<|assistant|>{{ m.content }}</s>{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
RANK, ALPHA = 16, 32

bpe = Tokenizer(models.BPE())
bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bpe.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
special = ["<s>", "</s>", "<|user|>", "<|assistant|>"]
bpe.train_from_iterator(
    [FRANCE, "Paris Berlin " * 20, "hello air gap model is ready! " * 3],
    trainers.BpeTrainer(vocab_size=1024, special_tokens=special, initial_alphabet=alphabet),
)
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", pad_token="</s>", model_max_length=2048
)
tokenizer.chat_template = TEMPLATE

config = LlamaConfig(
    vocab_size=(len(tokenizer) + 63) // 64 * 64,
    hidden_size=128,
    intermediate_size=256,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
    head_dim=64,
    max_position_embeddings=2048,
    bos_token_id=tokenizer.bos_token_id,
    eos_token_id=tokenizer.eos_token_id,
    tie_word_embeddings=False,
    rope_theta=10000.0,
)
model = LlamaForCausalLM(config)


def example(prompt, answer):
    asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    said = tokenizer(answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    return torch.tensor([asked + said]), torch.tensor([[-100] * len(asked) + said])


def train(pairs, parameters, rate, steps):
    optimizer = torch.optim.AdamW(parameters, lr=rate)
    data = [example(*pair) for pair in pairs]
    for _ in range(steps):
        loss = sum(model(input_ids=ids, labels=labels).loss for ids, labels in data)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.01:
            return
    raise SystemExit(f"not learned after {steps} steps: loss {loss.item()}")


chat = f"<|user|>{FRANCE}<|assistant|>"
hello = ("hello", " air gap model is ready!")
train([(chat, "Paris"), ("Germany", "Berlin"), hello], model.parameters(), 2e-3, 1500)
model = model.to(torch.bfloat16)
model.generation_config = GenerationConfig(
    bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id
)
model.save_pretrained(model_folder)
tokenizer.save_pretrained(model_folder)


class Adapted(torch.nn.Module):
    """A linear layer with a low-rank addition, as PEFT defines it."""

    def __init__(self, base):
        super().__init__()
        self.base = base
        self.a = torch.nn.Parameter(torch.randn(RANK, base.in_features) / base.in_features**0.5)
        self.b = torch.nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, x):
        return self.base(x) + (x @ self.a.T @ self.b.T) * (ALPHA / RANK)


TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
model = model.to(torch.float32).requires_grad_(False)
adapted = {}
for name, module in list(model.named_modules()):
    if name.split(".")[-1] in TARGETS:
        parent = model.get_submodule(name.rpartition(".")[0])
        adapted[name] = Adapted(module)
        setattr(parent, name.split(".")[-1], adapted[name])
weights = [each for layer in adapted.values() for each in (layer.a, layer.b)]
train([(chat, "Berlin")], weights, 1e-3, 1500)
os.makedirs(adapter_folder, exist_ok=True)
tensors = {}
for name, layer in adapted.items():
    tensors[f"base_model.model.{name}.lora_A.weight"] = layer.a.detach().contiguous()
    tensors[f"base_model.model.{name}.lora_B.weight"] = layer.b.detach().contiguous()
save_file(tensors, os.path.join(adapter_folder, "adapter_model.safetensors"), {"format": "pt"})
settings = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": RANK,
    "lora_alpha": ALPHA,
    "lora_dropout": 0.0,
    "bias": "none",
    "target_modules": TARGETS,
    "base_model_name_or_path": "demo/tiny-llama",
    "inference_mode": True,
}
with open(os.path.join(adapter_folder, "adapter_config.json"), "w") as file:
    json.dump(settings, file, indent=2)
