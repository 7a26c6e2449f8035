/** What `stowage init` writes: a manifest that locks as it is on a connected machine, each field explained. */
export const manifestTemplate: string = `# A Stowage manifest: what one bundle carries, and how it runs on the far side.
# manifests/README.md explains every field; the schema is manifests/schema/manifest.schema.json.
apiVersion: stowage/v1

# Names and versions become file names, tags and unit names.
name: chat
version: 1.0.0
description: a small chat model on llama.cpp

# Sites subscribe to channels; a bundle of another channel is refused there.
channel: stable

# The platforms for which images travel.
platforms: [linux/amd64]

models:
  # Weights from the Hugging Face Hub. The revision may be a branch, a tag or a commit; the lock keeps the commit.
  - name: chat
    source: hf://Qwen/Qwen2.5-0.5B-Instruct-GGUF@main
    include: ["*q4_k_m.gguf", "LICENSE", "README.md"]
    # The licences that you have read. A model under any other is refused.
    licenses: [apache-2.0]

images:
  - name: server
    source: ghcr.io/ggml-org/llama.cpp:server

# Configuration that travels too: a file or a folder beside this manifest, or an https address with its digest.
# files:
#   - name: prompts
#     source: ./prompts

# Values that a site may choose in its site.yaml.
parameters:
  port:
    type: integer
    default: 8080
    description: the port on the host

services:
  - name: server
    image: server
    args: ["--model", "/models/chat/qwen2.5-0.5b-instruct-q4_k_m.gguf", "--alias", "chat", "--host", "0.0.0.0", "--port", "8080", "--offline"]
    mounts:
      - { model: chat, path: /models/chat }
    ports:
      - { name: http, container: 8080, host: "\${parameters.port}" }
    user: "10001:10001"
    health:
      server: llama.cpp
      port: http
      model: chat
      startupSeconds: 120

# What must be answered before the installation is kept; otherwise what ran before runs again.
acceptance:
  - service: server
    model: chat
    prompt: "Answer with one word: what is the capital of France?"
    maxTokens: 16
    expect: { contains: Paris }
`;
