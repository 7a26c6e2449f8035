import { StowageError } from '../core/error.ts';
import { MAX_ARCHIVE_ENTRIES, MAX_HUB_RESPONSE_BYTES } from '../core/limits.ts';
import type { Authorization, Http } from '../net/http.ts';
import { type Asked, malformed, nextPage } from '../net/http-response.ts';
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
 * Requests the metadata and file list of a revision from the Hub. `@huggingface/hub` makes the requests and follows the
 * pages; our HTTP client below it enforces limits, retries, redirect rules and error messages.
 */
export async function describeModel(
  api: HubApi,
  source: HubSource,
  signal: AbortSignal,
): Promise<HubModel> {
  const { endpoint: hubUrl } = api;
  const { repository, revision } = source;
  // Loaded on first use, so that commands that do not use a Hub start faster.
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
    throw malformed(asked, { expected: `the requested commit`, found: model.commit });
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

/** Errors of the library itself mean that it could not read a response. */
async function foreign<T>(asked: Asked, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof StowageError) throw error;
    throw malformed(asked, {
      expected: 'a response in the format of the Hub',
      found: 'something else',
    });
  }
}

function adapter(
  { http, endpoint, authorization }: HubApi,
  source: HubSource,
  asked: Asked,
  signal: AbortSignal,
): typeof fetch {
  const question = { ...source, endpoint, hasToken: authorization !== undefined };
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
    // The library silently ends a listing early if a Link header is not written exactly as huggingface.co does.
    const next = nextPage(url, headers.get('link'), asked);
    return new Response(new Uint8Array(bytes), {
      status,
      headers: next === undefined ? {} : { link: `<${next.href}>; rel="next"` },
    });
  };
}
