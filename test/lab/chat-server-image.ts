import { llamaServerImage } from './llama-server-image.ts';
import { serverImage } from './server-image.ts';
import type { LayoutImage } from './tiny-image.ts';

/**
 * llama-server. Where it cannot be downloaded, this says so, and the small server of the lab takes its place: it understands the options
 * that the lab's manifests set.
 */
export async function chatServerImage(): Promise<LayoutImage> {
  try {
    return await llamaServerImage();
  } catch (error) {
    console.error(
      `\nlab: WITHOUT THE REAL llama-server: the small server of the lab takes its place.\n${(error as Error).message}\n`,
    );
    return serverImage();
  }
}

// Makes it once, before several tests need it at the same time.
if (import.meta.main) await chatServerImage();
