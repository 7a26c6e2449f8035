import { type Revision, readRevision } from './revision.ts';

/** A model repository to serve. */
export interface HubRepo {
  /** `org/name`, or a bare name. */
  readonly name: string;
  /** Revision names to folders on disk: `main` and those in `branches` are branches, the others tags. */
  readonly revisions: Readonly<Record<string, string>>;
  readonly branches?: readonly string[];
  /** An SPDX-like name as model cards write it, such as `apache-2.0`. */
  readonly license?: string;
  readonly gated?: 'auto' | 'manual';
  readonly private?: boolean;
  /** What the scanners say of a file, by its path: `safe` unless said otherwise. */
  readonly scans?: Readonly<Record<string, string>>;
}

/** A repository whose folders have been read. */
export interface LoadedRepo extends HubRepo {
  readonly named: ReadonlyMap<string, Revision>;
  readonly commits: ReadonlyMap<string, Revision>;
}

/** Reads every revision's folder. */
export async function loadRepo(repo: HubRepo): Promise<LoadedRepo> {
  const named = new Map<string, Revision>();
  for (const [name, folder] of Object.entries(repo.revisions)) {
    const { commit, files } = await readRevision(folder);
    const scanned = [...files].map(([path, file]) => {
      const scan = repo.scans?.[path];
      return [path, scan === undefined ? file : { ...file, scan }] as const;
    });
    named.set(name, { commit, files: new Map(scanned) });
  }
  const commits = new Map([...named.values()].map((revision) => [revision.commit, revision]));
  return { ...repo, named, commits };
}

/** The revision of a name or a full commit id; `HEAD` means main. */
export function findRevision(repo: LoadedRepo, name: string): Revision | undefined {
  return repo.named.get(name === 'HEAD' ? 'main' : name) ?? repo.commits.get(name);
}

export function isBranch(repo: HubRepo, name: string): boolean {
  return name === 'main' || (repo.branches ?? []).includes(name);
}
