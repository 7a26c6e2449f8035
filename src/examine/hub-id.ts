const HUB_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}\/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;

/** Whether a text is a repository name `organization/name`, which a server would look up on the Hub, and not a path. */
export function isHubId(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    HUB_ID.test(text) &&
    !/\.(?:json|safetensors|gguf|bin|jinja|py)$/.test(text)
  );
}

/** The repository in `hf://organization/name@revision`. */
export function repositoryOf(source: string): string {
  return source.replace(/^hf:\/\//, '').replace(/@.*$/, '');
}

/** Derives a manifest name from the last part of a repository name. */
export function nameFrom(repository: string): string {
  const name = (repository.split('/').at(-1) ?? '').toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return (
    name
      .replace(/^-+|-+$/g, '')
      .slice(0, 63)
      .replace(/-+$/, '') || 'model'
  );
}

/** Manifest lines that add a repository. */
export function offerModel(repository: string): string {
  return `models:\n  - name: ${nameFrom(repository)}\n    source: hf://${repository}@main\n`;
}
