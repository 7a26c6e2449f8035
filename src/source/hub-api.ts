import { StowageError } from '../core/error.ts';
import { MAX_ARCHIVE_ENTRIES, MAX_HUB_RESPONSE_BYTES } from '../core/limits.ts';
import type { Authorization, Http } from '../net/http.ts';
import { type Asked, malformed } from '../net/http-error.ts';
import { nextPage } from '../net/next-page.ts';
import { type HubFile, type HubModel, readModelInfo, readTreeEntry } from './hub-model.ts';
import { hubRefusal } from './hub-refusal.ts';
import type { HubSource } from './hub-source.ts';

const MAX_PAGES = 10_000;

export interface HubApi {
  readonly http: Http;
  readonly endpoint: string;
  readonly authorization?: Authorization | undefined;
}

/**
 * Asks the Hub what a revision is and what files it has, through `@huggingface/hub`, which knows the questions and
 * the pages, over our client, which knows limits, retries, redirects and errors.
 */
export async function describeModel(
  api: HubApi,
  source: HubSource,
  signal: AbortSignal,
): Promise<HubModel> {
  const { endpoint: hubUrl } = api;
  const { repository, revision } = source;
  // Loaded here, so that a start that asks no Hub does not pay for it.
  const { modelInfo, listFiles } = await import('@huggingface/hub');
  const asked = { what: `${repository}@${revision}`, url: new URL(`${hubUrl}/${repository}`) };
  const fetch = adapter(api, source, asked, signal);
  const model = readModelInfo(
    await foreign(asked, () =>
      modelInfo({
        name: repository,
        revision,
        hubUrl,
        fetch,
        additionalFields: ['sha', 'tags', 'cardData'],
      }),
    ),
    asked,
  );
  if (/^[0-9a-f]{40}$/.test(revision) && model.commit !== revision) {
    throw malformed(asked, { expected: `the commit that was asked for`, found: model.commit });
  }
  const files: HubFile[] = [];
  await foreign(asked, async () => {
    const entries = listFiles({
      repo: { type: 'model', name: repository },
      revision: model.commit,
      recursive: true,
      expand: true, // for the scan verdicts
      hubUrl,
      fetch,
    });
    for await (const entry of entries) {
      const file = readTreeEntry(entry, { ...asked, what: `the files of ${asked.what}` });
      if (file !== undefined) files.push(file);
      if (files.length > MAX_ARCHIVE_ENTRIES) {
        throw malformed(asked, { expected: `at most ${MAX_ARCHIVE_ENTRIES} files`, found: 'more' });
      }
    }
  });
  return { repository, endpoint: hubUrl, ...model, files };
}

/** What the library throws by itself is about an answer that it cannot read. */
async function foreign<T>(asked: Asked, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof StowageError) throw error;
    throw malformed(asked, { expected: 'an answer as the Hub gives', found: 'something else' });
  }
}

function adapter(
  { http, endpoint, authorization }: HubApi,
  source: HubSource,
  asked: Asked,
  signal: AbortSignal,
): typeof fetch {
  const question = { endpoint, ...source, hasToken: authorization !== undefined };
  let pages = 0;
  return async (input) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (++pages > MAX_PAGES)
      throw malformed(asked, { expected: `at most ${MAX_PAGES} pages`, found: 'more' });
    const { status, headers, bytes } = await http.read(
      {
        what: asked.what,
        url,
        headers: { accept: 'application/json' },
        authorization,
        explain: (refusal) => hubRefusal(refusal, question),
      },
      MAX_HUB_RESPONSE_BYTES,
      signal,
    );
    // The library by itself ends a listing early, without a word, at a link written another way than huggingface.co's.
    const next = nextPage(url, headers.get('link'), asked);
    return new Response(new Uint8Array(bytes), {
      status,
      headers: next === undefined ? {} : { link: `<${next.href}>; rel="next"` },
    });
  };
}
