const HUB_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}\/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;

/** Whether a text is `organisation/name`, which a server would look for on the Hub, rather than a path. */
export function isHubId(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    HUB_ID.test(text) &&
    !/\.(?:json|safetensors|gguf|bin|jinja|py)$/.test(text)
  );
}

/** The repository of `hf://organisation/name@revision`. */
export function repositoryOf(source: string): string {
  return source.replace(/^hf:\/\//, '').replace(/@.*$/, '');
}

/** A name for a manifest, made from the last part of a repository's. */
export function nameFrom(repository: string): string {
  const name = (repository.split('/').at(-1) ?? '').toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return (
    name
      .replace(/^-+|-+$/g, '')
      .slice(0, 63)
      .replace(/-+$/, '') || 'model'
  );
}

/** Lines for a manifest that take a repository along. */
export function offerModel(repository: string): string {
  return `models:\n  - name: ${nameFrom(repository)}\n    source: hf://${repository}@main\n`;
}
