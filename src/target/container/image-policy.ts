import { fieldsOf, textOf } from '../../core/json.ts';

/** Where podman looks for its policy, the first that exists (containers-policy.json(5)). */
export function policyPaths(home: string | undefined): readonly string[] {
  const own = home === undefined ? [] : [`${home}/.config/containers/policy.json`];
  return [...own, '/etc/containers/policy.json'];
}

/**
 * Why a policy keeps podman from pulling an image from a depot of this host; undefined where it does not. A depot
 * listens on a port of its own choice, so the rules for all docker registries apply, or else the default.
 */
export function policyDefect(text: string): string | undefined {
  const policy = parse(text);
  if (policy === undefined) return 'cannot be parsed';
  const docker = fieldsOf(fieldsOf(policy['transports'])['docker']);
  const rules = docker[''] ?? policy['default'];
  if (!Array.isArray(rules) || rules.length === 0) return 'has no default rule';
  const types = rules.map((each) => textOf(fieldsOf(each)['type'], 64) ?? 'an unknown rule');
  const strict = types.find((each) => each !== 'insecureAcceptAnything');
  if (strict === undefined) return undefined;
  return strict === 'reject' ? 'rejects all images' : `requires ${strict} of all images`;
}

function parse(text: string): ReturnType<typeof fieldsOf> | undefined {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}
