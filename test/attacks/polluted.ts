import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * What admission says of each bundle: by itself, at a site that asks for an approval, and at one for which the bundle
 * is too old. First as things are, then with each pollution of every object, in one process of its own.
 */
export async function runPolluted(
  pollutions: readonly object[],
  folders: readonly string[],
  trust: string,
): Promise<string[][][]> {
  const source = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href;
  const script = `
    import { readFileSync } from 'node:fs';
    import { admit } from '${source('bundle/admission/admit.ts')}';
    const [pollutions, folders, path] = JSON.parse(process.argv[1]);
    const pinned = JSON.parse(readFileSync(path, 'utf8'));
    const state = { accepted: [], floor: '1970-01-01T00:00:00Z', recalls: [] };
    const policy = { channels: ['stable'], platform: 'any/any', state };
    const signal = new AbortController().signal;
    const at = (moment) => ({ signal, emit() {}, now: () => new Date(moment) });
    const soon = at('2026-11-22T00:00:00Z');
    const late = at('2028-11-22T00:00:00Z');
    const ways = [
      { ...soon, trust: pinned },
      { ...soon, trust: pinned, policy: { ...policy, requireApproval: true } },
      { ...late, trust: { ...pinned, maxAgeDays: 30 }, policy },
    ];
    const judge = (folder, options) =>
      admit(folder, options).then(() => 'accepted', (error) => error.code ?? String(error));
    const verdicts = [];
    for (const pollution of [{}, ...pollutions]) {
      const given = [];
      for (const folder of folders) {
        const own = [];
        for (const options of ways) {
          Object.assign(Object.prototype, pollution);
          own.push(await judge(folder, options));
          for (const name of Object.keys(pollution)) delete Object.prototype[name];
        }
        given.push(own);
      }
      verdicts.push(given);
    }
    process.stdout.write(JSON.stringify(verdicts));
  `;
  const given = JSON.stringify([pollutions, folders, trust]);
  const argv = ['--input-type=module', '--eval', script, given];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  return JSON.parse(stdout) as string[][][];
}
