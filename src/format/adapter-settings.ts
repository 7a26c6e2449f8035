import { type Fields, fieldsOf, listOf, textsOf } from '../core/json.ts';

/** The kinds of servers that support adapters, and the argument or variable for them. */
export const adapterSettings: Readonly<Record<string, string>> = {
  vllm: '--lora-modules',
  'llama.cpp': '--lora-scaled',
  sglang: '--lora-paths',
  tgi: 'LORA_ADAPTERS',
};

/** Arguments that load adapters in another way than {@link adapterSettings}. */
const otherSettings: Readonly<Record<string, readonly string[]>> = {
  'llama.cpp': ['--lora', '--lora-init-without-apply'],
};

/** Why a service, whose fields may have any type, cannot use its adapters; undefined if it can. */
export function adapterDefect(service: Fields): string | undefined {
  const adapters = listOf(service['adapters']);
  if (adapters.length === 0) return undefined;
  const { server } = fieldsOf(service['health']);
  const setting = adapterSettings[String(server)];
  if (setting === undefined) {
    const kinds = Object.keys(adapterSettings).join(', ');
    return `${server === undefined ? 'a service without health' : `a server of kind ${server}`} does not support adapters: only ${kinds} do`;
  }
  const settings = [setting, ...(otherSettings[String(server)] ?? [])];
  const names = [
    ...textsOf(service['args']).map((each) => each.split('=')[0]),
    ...Object.keys(fieldsOf(service['env'])),
  ];
  const used = settings.find((each) => names.includes(each));
  if (used !== undefined) return `${used} is also set explicitly: remove it or the adapters`;
  for (const member of ['model', 'name'] as const) {
    if (new Set(adapters.map((each) => each[member])).size !== adapters.length)
      return `two adapters have the same ${member}`;
  }
  const taken = listOf(service['mounts']).find(({ path }) =>
    /^\/adapters(?:\/|$)/.test(String(path)),
  );
  return taken && `mount ${taken['path']} conflicts with the folder of the adapters`;
}
