import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { StowageError } from '../../core/error.ts';
import { exists, writeNew } from '../../io/file.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { manifestFrom } from './init-from.ts';
import { DEFAULT_MANIFEST } from './manifest-file.ts';

export async function init(
  file: string | undefined,
  { from }: { readonly from?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const path = context.path(file ?? DEFAULT_MANIFEST);
  if (await exists(path)) {
    throw new StowageError('output-exists', `${path} exists already`, {
      expected: 'a new file name',
      found: 'an existing file',
      hint: 'choose another name, or edit the existing manifest',
    });
  }
  const schema = await schemaFor(dirname(path), dirname(context.terminal.program));
  const modeline = schema === undefined ? '' : `# yaml-language-server: $schema=${schema}\n`;
  const text =
    from === undefined ? manifestTemplate : await manifestFrom(from, dirname(path), context);
  await writeNew(path, Buffer.from(modeline + text));
  return {
    json: { manifest: path },
    text: `${path}\n  edit it, then run: stowage ${from === undefined ? 'lock' : 'check'}${file === undefined ? '' : ` ${file}`}\n`,
  };
}

/**
 * The schema of manifests in the package of this program, for editors: relative for a manifest in the project that has the
 * package, otherwise a file URL. Undefined if the program runs without its package.
 */
async function schemaFor(folder: string, program: string): Promise<string | undefined> {
  for (const root of [join(program, '..'), join(program, '..', '..')]) {
    const file = join(root, 'manifests', 'schema', 'manifest.schema.json');
    if (!(await exists(file))) continue;
    const near = relative(folder, file);
    return near.startsWith('..') || /\s/.test(near) ? pathToFileURL(file).href : near;
  }
  return undefined;
}

/** The manifest that `stowage init` writes, with each field explained. It can be locked as it is. */
const manifestTemplate: string = `# A Stowage manifest: the contents of a bundle and how its services run at a site.
# manifests/README.md explains every field; editors that use yaml-language-server check it.
apiVersion: stowage/v1

# Name and version are used in file names, tags and systemd units.
name: chat
version: 1.0.0
description: a small chat model on llama.cpp

# A site accepts bundles only from the channels it subscribes to.
channel: stable

# Platforms to include images for.
platforms: [linux/amd64]

models:
  # Weights from the Hugging Face Hub. The revision is a branch, tag or commit; the lock records the commit.
  - name: chat
    source: hf://Qwen/Qwen2.5-0.5B-Instruct-GGUF@main
    include: ["*q4_k_m.gguf", "LICENSE", "README.md"]
    # Licenses that you accept. A model with any other license is refused.
    licenses: [apache-2.0]

images:
  - name: server
    source: ghcr.io/ggml-org/llama.cpp:server

# Other files to include: a file or folder next to this manifest, or an https URL with its digest.
# files:
#   - name: prompts
#     source: ./prompts

# Values that a site can set in its site.yaml.
parameters:
  port:
    type: integer
    default: 8080
    description: port on the host

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

# Test prompts. If an answer is not as expected, the previous version is restored.
acceptance:
  - service: server
    model: chat
    prompt: "Answer with one word: what is the capital of France?"
    maxTokens: 16
    expect: { contains: Paris }
`;
