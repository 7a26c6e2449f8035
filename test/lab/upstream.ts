import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { chatServerImage } from './chat-server-image.ts';
import { type Hub, type HubOptions, startHub } from './hub.ts';
import { pushLayout, type Registry, startRegistry } from './registry.ts';
import { serverImage } from './server-image.ts';
import type { LayoutImage } from './tiny-image.ts';
import { defaultAnswer, writeTinyModel } from './tiny-model.ts';

/** What the models of the two revisions answer, at temperature 0, to any ordinary prompt. */
export const answers: Readonly<Record<'v1' | 'v2', string>> = {
  v1: defaultAnswer.join(''),
  v2: ' second release speaking.',
};

/** A registry and a Hub with what the demo's manifests name. */
export interface Upstream {
  /**
   * Holds `demo/llama-server:1.0`, an index over linux/amd64 and linux/arm64, and with `ownServer` also `demo/tiny-llm:1.0`, the small
   * server of the lab.
   */
  readonly registry: Registry;
  /** Holds `demo/tiny-gguf` with the revisions `main` and `v1`, which are one commit, and `v2`. */
  readonly hub: Hub;
  /** The image of llama-server. */
  readonly image: LayoutImage;
  stop(): Promise<void>;
}

export interface UpstreamOptions {
  /** The registry also holds the lab's own server, which has Node. */
  readonly ownServer?: boolean;
  readonly hub?: Omit<HubOptions, 'repos'>;
}

/** Brings both up on loopback, with their content in `dir`. */
export async function startUpstream(dir: string, options: UpstreamOptions = {}): Promise<Upstream> {
  const image = await chatServerImage();
  const v1 = writeRevision(join(dir, 'hub', 'v1'), answers.v1);
  const v2 = writeRevision(join(dir, 'hub', 'v2'), answers.v2);
  const registry = await startRegistry(join(dir, 'registry'));
  try {
    await pushLayout(image.layout, image.tag, `${registry.host}/demo/llama-server:1.0`);
    if (options.ownServer === true) {
      const own = await serverImage();
      await pushLayout(own.layout, own.tag, `${registry.host}/demo/tiny-llm:1.0`);
    }
    const revisions = { main: v1, v1, v2 };
    const hub = await startHub({
      ...options.hub,
      repos: [{ name: 'demo/tiny-gguf', revisions, license: 'apache-2.0' }],
    });
    const stop = async (): Promise<void> => {
      await Promise.all([registry.stop(), hub.stop()]);
    };
    return { registry, hub, image, stop };
  } catch (error) {
    await registry.stop();
    throw error;
  }
}

function writeRevision(folder: string, answer: string): string {
  const license = 'apache-2.0';
  writeTinyModel(join(folder, 'tiny.gguf'), { answer: answer.match(/ [^ ]+/g) ?? [], license });
  writeFileSync(
    join(folder, 'config.json'),
    `${JSON.stringify({ architectures: ['LlamaForCausalLM'], model_type: 'llama' }, null, 2)}\n`,
  );
  writeFileSync(
    join(folder, 'README.md'),
    `---\nlicense: ${license}\npipeline_tag: text-generation\n---\n\nAnswers "${answer.trim()}" to everything.\n`,
  );
  return folder;
}

if (import.meta.main) {
  const dir = process.argv[2];
  if (dir === undefined) {
    console.error('usage: node test/lab/upstream.ts DIR');
    process.exit(2);
  }
  mkdirSync(dir, { recursive: true });
  const upstream = await startUpstream(resolve(dir));
  const stop = (): void => void upstream.stop().then(() => process.exit(0));
  process.on('SIGTERM', stop).on('SIGINT', stop);
  const note = { registry: upstream.registry.host, hub: upstream.hub.url, pid: process.pid };
  writeFileSync(join(dir, 'upstream.json.new'), `${JSON.stringify(note)}\n`);
  renameSync(join(dir, 'upstream.json.new'), join(dir, 'upstream.json'));
  console.log(JSON.stringify(note));
}
