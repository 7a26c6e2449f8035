import { type Fields, fieldsOf, listOf, textOf } from '../core/json.ts';
import { licenseOfFolder } from './manifest-from-folder.ts';
import { manifestHead, nameFrom, yamlComment, yamlValue } from './manifest-text.ts';

/** Servers by what the name of their image contains, with the port that they listen on. */
const SERVERS: readonly (readonly [pattern: RegExp, kind: string])[] = [
  [/vllm/, 'vllm'],
  [/llama\.?cpp|llama-server/, 'llama.cpp'],
  [/sglang/, 'sglang'],
  [/ollama/, 'ollama'],
  [/text-generation-inference/, 'tgi'],
  [/triton/, 'triton'],
  [/nvcr\.io\/nim\//, 'nim'],
];

/** The fields of a compose service that have a counterpart here. */
const KNOWN = new Set([
  ...['image', 'command', 'entrypoint', 'environment', 'ports', 'volumes', 'tmpfs', 'depends_on'],
  ...['healthcheck', 'user', 'read_only', 'cap_add', 'network_mode', 'shm_size', 'ulimits', 'ipc'],
  ...['mem_limit', 'cpus', 'pids_limit', 'deploy', 'container_name', 'gpus'],
]);
const SECRET = /(?:KEY|TOKEN|SECRET|PASSWORD)$/i;
/** A variable of compose, with the default that it names. */
const VARIABLE = /\$\{[A-Za-z_][A-Za-z0-9_]*(?::?-([^}]*))?[^}]*\}/g;

interface Draft {
  readonly images: Map<string, string>;
  readonly models: Map<string, string>;
  readonly files: Map<string, string>;
  /** A path of the compose file as the manifest names it. */
  readonly place: (path: string) => string;
  /** The names of all of them: each becomes a tag of the bundle. */
  readonly taken: Set<string>;
}

/**
 * A commented manifest of the services of a compose file.
 * @param compose the parsed file, whose fields may have any type
 * @param file its name, for people
 * @param name of the project, if the file states none: compose takes that of its folder
 * @param place makes of a path in the file one that starts from the manifest
 */
export function manifestFromCompose(
  compose: unknown,
  file: string,
  name: string,
  place: Draft['place'] = (path) => path,
): string {
  const document = fieldsOf(compose);
  const draft: Draft = {
    ...{ images: new Map(), models: new Map(), files: new Map(), taken: new Set(), place },
  };
  const services = Object.entries(fieldsOf(document['services'])).flatMap(([name, service]) =>
    serviceLines(name, fieldsOf(service), draft),
  );
  const left = Object.keys(document).filter(
    // Named volumes become memory, at their mounts.
    (each) => !['services', 'version', 'name', 'volumes'].includes(each),
  );
  return [
    ...manifestHead(nameFrom(textOf(document['name']) ?? name, 'app'), file),
    ...(left.length === 0 ? [] : [yamlComment(`Not taken from ${file}: ${left.join(', ')}.`)]),
    ...section('models', draft.models, licenseOfFolder),
    ...section('images', draft.images),
    ...section('files', draft.files),
    '',
    'services:',
    ...services,
    '',
    '# Test prompts. If an answer is not as expected, the previous version is restored.',
    '# acceptance:',
    '#   - { service: NAME, model: ID, prompt: "What is the capital of France?", expect: { contains: Paris } }',
    '',
  ].join('\n');
}

function section(
  name: string,
  items: ReadonlyMap<string, string>,
  more: readonly string[] = [],
): string[] {
  if (items.size === 0) return [];
  const lines = [...items].flatMap(([source, item]) => [
    `  - name: ${item}`,
    `    source: ${yamlValue(source)}`,
    ...(/^(?:\.\.)?\//.test(source) ? ['    outside: true'] : []),
    ...more,
  ]);
  return ['', `${name}:`, ...lines];
}

function serviceLines(label: string, service: Fields, draft: Draft): string[] {
  const name = nameFrom(label, 'service');
  const image = plain(textOf(service['image']) ?? '');
  const ports = portsOf(service['ports']);
  const entrypoint = wordsOf(service['entrypoint']);
  const args = [...entrypoint.slice(1), ...wordsOf(service['command'])];
  const { variables, secrets } = environmentOf(service['environment']);
  const mounts = mountsOf(service, draft);
  const left = Object.keys(service).filter((each) => !KNOWN.has(each));
  const imageName =
    draft.images.get(image) ??
    unused(nameFrom(image.split('/').at(-1)?.split(/[:@]/)[0] ?? '', name), draft);
  if (image !== '') draft.images.set(image, imageName);
  const dependsOn = Array.isArray(service['depends_on'])
    ? service['depends_on'].map(String)
    : Object.keys(fieldsOf(service['depends_on']));
  return [
    `  - name: ${name}`,
    ...(image === ''
      ? [
          '    # The compose file builds this image: push it to a registry, and name it under images.',
        ]
      : []),
    `    image: ${imageName}`,
    ...(entrypoint[0] === undefined ? [] : [`    entrypoint: ${yamlValue(entrypoint[0])}`]),
    ...list('args', args),
    ...secrets.map((each) => `    # ${each} is a secret: see "secrets" in manifests/README.md.`),
    ...map('env', variables),
    ...(dependsOn.length === 0
      ? []
      : [`    dependsOn: ${JSON.stringify(dependsOn.map((each) => nameFrom(each, each)))}`]),
    ...(mounts.length === 0 ? [] : ['    mounts:', ...mounts]),
    ...(ports.length === 0 ? [] : ['    ports:', ...ports.map(({ line }) => line)]),
    ...settings(service),
    ...healthLines(service, image, ports[0]?.name),
    ...(left.length === 0 ? [] : [`    ${yamlComment(`Not taken: ${left.join(', ')}.`)}`]),
  ];
}

/** A name that no other item has. */
function unused(name: string, { taken }: Draft): string {
  let free = name;
  for (let count = 2; taken.has(free); count += 1) free = `${name.slice(0, 58)}-${count}`;
  taken.add(free);
  return free;
}

function list(field: string, values: readonly string[]): string[] {
  if (values.length === 0) return [];
  return [`    ${field}:`, ...values.map((each) => `      - ${yamlValue(each)}`)];
}

function map(field: string, values: readonly (readonly [string, string])[]): string[] {
  if (values.length === 0) return [];
  return [
    `    ${field}:`,
    ...values.map(([key, value]) => `      ${key}: ${JSON.stringify(value)}`),
  ];
}

/** A command as a list, or as a text that a shell would split. */
function wordsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.map((each) => plain(String(each)));
  const text = textOf(value);
  if (text === undefined) return [];
  return [...plain(text).matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
}

/** A text with the defaults of its variables: a manifest has parameters instead. */
function plain(text: string): string {
  return text
    .replace(VARIABLE, (_, fallback: string | undefined) => fallback ?? '')
    .replaceAll('$$', '$');
}

function environmentOf(value: unknown): {
  readonly variables: (readonly [string, string])[];
  readonly secrets: string[];
} {
  const pairs = Array.isArray(value)
    ? value.map(String).map((each): [string, string] => {
        const [name = '', ...rest] = each.split('=');
        return [name, rest.join('=')];
      })
    : Object.entries(fieldsOf(value)).map(([name, each]): [string, string] => [
        name,
        each === null || each === undefined ? '' : String(each),
      ]);
  return {
    variables: pairs
      .filter(([name]) => !SECRET.test(name))
      .map(([name, text]): [string, string] => [name, plain(text)]),
    secrets: pairs.map(([name]) => name).filter((name) => SECRET.test(name)),
  };
}

function portsOf(value: unknown): { readonly name: string; readonly line: string }[] {
  const ports = Array.isArray(value) ? (value as readonly unknown[]) : [];
  return ports.flatMap((each, index) => {
    const { target, published } = fieldsOf(each);
    const text = plain(String(each))
      .replace(/\/(?:tcp|udp)$/, '')
      .split(':');
    const container = Number(target ?? text.at(-1));
    const host = Number(published ?? text.at(-2) ?? container);
    if (!isPort(container) || !isPort(host)) return [];
    const name = index === 0 ? 'http' : `port-${container}`;
    return [{ name, line: `      - { name: ${name}, container: ${container}, host: ${host} }` }];
  });
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** Folders become models or files, and what is written becomes memory: a container here keeps nothing. */
function mountsOf(service: Fields, draft: Draft): string[] {
  const volumes = Array.isArray(service['volumes'])
    ? (service['volumes'] as readonly unknown[])
    : [];
  const mounts = volumes.flatMap((each) => {
    const { source, target, read_only: readOnly } = fieldsOf(each);
    const [from = '', to = '', modes = ''] =
      target === undefined ? plain(String(each)).split(':') : [];
    const path = String(target ?? (to === '' ? from : to));
    const given = String(source ?? (to === '' ? '' : from));
    if (!/^(?:\.{1,2}\/|\/)/.test(given)) return memory(path);
    const origin = draft.place(given);
    const isModel = /model|weight|hugging/i.test(`${origin} ${path}`);
    const items = isModel ? draft.models : draft.files;
    const name =
      items.get(origin) ?? unused(nameFrom(origin.split('/').at(-1) ?? '', 'content'), draft);
    items.set(origin, name);
    const isWritable = readOnly !== true && !modes.split(',').includes('ro');
    return [
      ...(isWritable ? ['      # Writable in compose; read-only here.'] : []),
      `      - { ${isModel ? 'model' : 'files'}: ${name}, path: ${yamlValue(path)} }`,
    ];
  });
  const tmpfs = wordsOf(service['tmpfs']).flatMap((each) => memory(each.split(':')[0] ?? ''));
  return [...mounts, ...tmpfs];
}

function memory(path: string): string[] {
  if (!path.startsWith('/') || path === '/tmp') return [];
  return [
    '      # A volume of compose: here it is memory, empty at each start.',
    `      - { memory: 1GiB, path: ${yamlValue(path)} }`,
  ];
}

function settings(service: Fields): string[] {
  const resources = fieldsOf(fieldsOf(service['deploy'])['resources']);
  const limits = fieldsOf(resources['limits']);
  const devices = listOf(fieldsOf(resources['reservations'])['devices']);
  const gpu = devices.find(({ capabilities }) => String(capabilities).includes('gpu'));
  const gpus = service['gpus'] ?? (gpu && (gpu['count'] ?? 'all'));
  const user = plain(String(service['user'] ?? ''));
  const memoryLimit = sizeOf(service['mem_limit'] ?? limits['memory']);
  const shared = service['ipc'] === 'host' ? undefined : sizeOf(service['shm_size']);
  const cpus = Number(service['cpus'] ?? limits['cpus']);
  const ulimits = Object.entries(fieldsOf(service['ulimits'])).flatMap(([name, value]) => {
    const number = Number(fieldsOf(value)['hard'] ?? value);
    if (!['memlock', 'nofile', 'stack'].includes(name) || !Number.isInteger(number)) return [];
    return number < 0 && name === 'nofile' ? [] : [`${name}: ${number < 0 ? 'unlimited' : number}`];
  });
  const capabilities = wordsOf(service['cap_add']).map(
    (each) => `CAP_${each.replace(/^CAP_/, '')}`,
  );
  return [
    ...(/^[0-9]+(?::[0-9]+)?$/.test(user) ? [`    user: "${user}"`] : []),
    ...(service['read_only'] === true
      ? []
      : [
          '    # The root of the container is read-only; false makes it writable.',
          '    readOnlyRoot: true',
        ]),
    ...(service['network_mode'] === 'host' ? ['    network: host'] : []),
    ...(capabilities.length === 0 ? [] : [`    capabilities: ${JSON.stringify(capabilities)}`]),
    ...(memoryLimit === undefined ? [] : [`    memory: ${sizeText(memoryLimit)}`]),
    ...(shared === undefined ? [] : [`    sharedMemory: ${sizeText(shared)}`]),
    ...(service['ipc'] === 'host' ? ['    ipc: host'] : []),
    ...(ulimits.length === 0 ? [] : [`    ulimits: { ${ulimits.join(', ')} }`]),
    ...(Number.isFinite(cpus) && cpus > 0 ? [`    cpus: ${cpus}`] : []),
    ...(gpus === 'all' || Number.isInteger(Number(gpus)) ? [`    gpus: ${gpus}`] : []),
  ];
}

/** A size of compose, such as `8gb`, in bytes of powers of two, as compose reads it. */
function sizeOf(value: unknown): number | undefined {
  const [, digits, unit = ''] =
    /^([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)i?b?$/i.exec(String(value ?? '')) ?? [];
  if (digits === undefined) return undefined;
  return Math.round(
    Number(digits) * 1024 ** Math.max(0, 'bkmgt'.indexOf(unit.toLowerCase() || 'b')),
  );
}

/** A size as a person writes it in a manifest. */
function sizeText(bytes: number): string {
  const unit = [
    ['GiB', 3],
    ['MiB', 2],
  ] as const;
  const [name, power] = unit.find(([, each]) => bytes > 0 && bytes % 1024 ** each === 0) ?? ['', 0];
  return `${bytes / 1024 ** power}${name}`;
}

function healthLines(service: Fields, image: string, port: string | undefined): string[] {
  const kind = SERVERS.find(([pattern]) => pattern.test(image))?.[1];
  if (kind !== undefined && port !== undefined)
    return [
      '    # Add "model: ID" to require that the server lists the model.',
      `    health: { server: ${kind}, port: ${port} }`,
    ];
  const { test } = fieldsOf(service['healthcheck']);
  const [how, ...rest] = Array.isArray(test) ? test.map((each) => plain(String(each))) : [];
  const text = typeof test === 'string' ? plain(test) : how === 'CMD-SHELL' ? rest.join(' ') : '';
  const command = text === '' ? rest : ['/bin/sh', '-c', text];
  if (command.length === 0 || how === 'NONE')
    return ['    # Without health, only the process is checked.'];
  return ['    health:', '      server: command', `      command: ${JSON.stringify(command)}`];
}
