import { readReceipt } from '../bundle/receipt.ts';
import { StowageError } from '../core/error.ts';
import { type Fields, fieldsOf } from '../core/json.ts';
import { MAX_SITE_BYTES } from '../core/limits.ts';
import { checkDocument } from '../format/document.ts';
import type { Receipt } from '../format/receipt.ts';
import { type Site, siteKind } from '../format/site.ts';
import { salvageYaml } from '../format/yaml-document.ts';
import { namesIn, readIfThere } from '../io/file.ts';
import { currentGeneration } from './generations.ts';
import type { SiteFolder } from './site-folder.ts';

/**
 * What is needed to read, start and stop the services of the current generation if `site.yaml` has defects: the name, labels
 * and target in the newest receipt with a valid signature. What no receipt has, the kubeconfig and context of a cluster, is
 * taken from what can be read of `site.yaml`. All other settings have their defaults: nothing may be changed with them.
 * @returns undefined if the target of the services is unknown
 */
export async function recoverSettings(site: SiteFolder): Promise<Site | undefined> {
  const written = await salvage(site);
  const receipt = await newestWithEngine(site);
  const isEmpty = (await currentGeneration(site)).number === 0;
  const target = receipt?.host.engine.split(' ')[0] ?? (isEmpty ? 'depot' : written['target']);
  if (target === undefined) return undefined;
  const { kubeconfig, context } = fieldsOf(written['kubernetes']);
  const cluster = {
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
    // Required, and not used by what is done with these settings.
    images: { registry: 'localhost' },
  };
  try {
    return checkDocument(siteKind, {
      apiVersion: 'stowage/v1',
      name: receipt?.site ?? written['name'] ?? 'site',
      labels: receipt?.host.labels ?? {},
      target,
      ...(target === 'kubernetes' ? { kubernetes: cluster } : {}),
    });
  } catch {
    return undefined;
  }
}

async function newestWithEngine(site: SiteFolder): Promise<Receipt | undefined> {
  const names = await namesIn(site.path('receipts'));
  for (const name of names.filter((each) => each.endsWith('.json')).toReversed()) {
    try {
      const { receipt } = await readReceipt(site.path('receipts', name));
      if (receipt.host.engine !== 'unknown') return receipt;
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
    }
  }
  return undefined;
}

async function salvage(site: SiteFolder): Promise<Fields> {
  try {
    const bytes = await readIfThere(site.file, MAX_SITE_BYTES);
    return bytes === undefined ? {} : fieldsOf(salvageYaml(bytes));
  } catch {
    return {};
  }
}
