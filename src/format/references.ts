import type { z } from 'zod';
import { type Fields, fieldsOf, listOf, textOf, textsOf } from '../core/json.ts';
import { type Cause, follows } from './defect.ts';
import { apiDefect } from './deployment.ts';
import { checkOptional } from './optional-references.ts';
import { programTexts } from './placement.ts';
import { inOrder } from './service.ts';

type Context = Pick<z.core.$RefinementCtx, 'addIssue'>;
type Report = (path: (string | number)[], message: string, ...causes: Cause[]) => void;

/**
 * Checks that every name in use is defined exactly once, in a manifest or bundle index.
 * @param release its fields may have any type: the schema reports those that are wrong
 */
export function checkReferences(release: object, context: Context): void {
  const report = reporter(release, context);
  const document = fieldsOf(release);
  checkNames(document, report);
  const services = new Map(listOf(document['services']).map((each) => [each['name'], each]));
  const known = {
    models: namesOf(document['models']),
    images: namesOf(document['images']),
    files: namesOf(document['files']),
    secrets: fieldsOf(document['secrets']),
    parameters: fieldsOf(document['parameters']),
    services,
  };
  listOf(document['services']).forEach((each, index) => {
    checkService(each, ['services', index], known, report);
  });
  listOf(document['charts']).forEach(({ values }, index) => {
    for (const { name, path } of parametersIn(textsWithin(values, ['charts', index, 'values'])))
      if (!Object.hasOwn(known.parameters, name))
        report(path, `unknown parameter ${name}`, definedIn.parameter);
  });
  const order = listOf(document['services']).map((each) => ({
    name: String(each['name']),
    dependsOn: textsOf(each['dependsOn']).filter((other) => services.has(other)),
  }));
  if (inOrder(order) === undefined)
    report(['services'], 'services depend on each other in a cycle: see their dependsOn');
  const endpoints = new Set(
    [...listOf(document['charts']), ...listOf(document['objects'])]
      .filter(({ endpoint }) => endpoint !== undefined)
      .map(({ name }) => name),
  );
  const asked = { services, endpoints };
  listOf(document['acceptance']).forEach((each, index) => {
    checkAsked(each, ['acceptance', index], asked, report);
  });
  checkEvaluations(document, { ...asked, files: known.files }, report);
  checkOptional(document, report);
}

interface Askable {
  readonly services: ReadonlyMap<unknown, Fields>;
  /** The charts and objects that have an endpoint. */
  readonly endpoints: ReadonlySet<unknown>;
}

/** Checks that a service can be asked through the API that a test or an evaluation names. */
function checkAsked(
  { service, api }: Fields,
  at: readonly (string | number)[],
  { services, endpoints }: Askable,
  report: Report,
): void {
  if (typeof service !== 'string' || endpoints.has(service)) return;
  const found = services.get(service);
  const place = [...at, 'service'];
  if (found === undefined) report(place, `unknown service ${service}`, definedIn.service);
  else if (fieldsOf(found['health'])['port'] === undefined)
    report(place, `the health check of service ${service} names no port for prompts`, [
      ...['services', '*', 'health', 'port'],
    ]);
  const defect = apiDefect(api, fieldsOf(found?.['health'])['server']);
  if (defect !== undefined) report([...at, 'api'], defect, ['services', '*', 'health', 'server']);
}

function checkEvaluations(
  document: Fields,
  known: Askable & { readonly files: ReadonlySet<unknown> },
  report: Report,
): void {
  const names = new Set<unknown>();
  listOf(document['evaluations']).forEach((each, index) => {
    const at = ['evaluations', index];
    const { name, questions, similarity, service } = each;
    checkAsked(each, at, known, report);
    if (similarity !== undefined)
      checkAsked(
        { ...fieldsOf(similarity), api: 'embeddings' },
        [...at, 'similarity'],
        known,
        report,
      );
    const server = fieldsOf(known.services.get(service)?.['health'])['server'];
    if (server === 'triton')
      report([...at, 'service'], 'Triton has no API that evaluations use: it takes no messages');
    if (names.has(name)) report([...at, 'name'], 'two evaluations have the same name');
    names.add(name);
    if (typeof questions !== 'string') return;
    if (!known.files.has(questions))
      report([...at, 'questions'], `unknown files ${questions}`, definedIn.files);
    // A manifest does not say whether it is a file or a folder; an index does.
    else if (
      listOf(document['files']).find((item) => item['name'] === questions)?.['kind'] === 'tree'
    )
      report([...at, 'questions'], `files ${questions} are a folder, not one file of questions`);
  });
}

/** Checks that services of one release, as far as their ports are known, can listen at the same time. */
export function checkHostPorts(release: object, context: Context): void {
  const report = reporter(release, context);
  const { services, parameters } = fieldsOf(release);
  const holders = new Map<number, string>();
  listOf(services).forEach(({ name, network, ports }, index) => {
    listOf(ports).forEach(({ name: port, container, host }, place) => {
      const given = network === 'host' ? container : host;
      const [, parameter] = /^\$\{parameters\.([^}]*)\}$/.exec(String(given)) ?? [];
      const number =
        parameter === undefined ? given : fieldsOf(fieldsOf(parameters)[parameter])['default'];
      if (typeof number !== 'number') return;
      const holder = holders.get(number);
      const at = textOf(port) === undefined ? 'a port' : `port ${port}`;
      const label = `${at} of ${textOf(name) === undefined ? 'a service' : `service ${name}`}`;
      holders.set(number, holder ?? label);
      if (holder === undefined) return;
      const source = parameter === undefined ? '' : `, the default of parameter ${parameter},`;
      report(
        ['services', index, 'ports', place, network === 'host' ? 'container' : 'host'],
        `host port ${number}${source} is also used by ${holder}`,
      );
    });
  });
}

interface Known {
  readonly models: ReadonlySet<unknown>;
  readonly images: ReadonlySet<unknown>;
  readonly files: ReadonlySet<unknown>;
  readonly secrets: Fields;
  readonly parameters: Fields;
  readonly services: ReadonlyMap<unknown, Fields>;
}

/** Where the names of each kind are defined. */
const definedIn = {
  image: ['images', '*', 'name'],
  model: ['models', '*', 'name'],
  files: ['files', '*', 'name'],
  service: ['services', '*', 'name'],
  secret: ['secrets'],
  parameter: ['parameters'],
} as const satisfies Readonly<Record<string, Cause>>;

function checkService(
  service: Fields,
  at: readonly (string | number)[],
  known: Known,
  report: Report,
): void {
  const missing = (
    defined: boolean,
    kind: keyof typeof definedIn,
    name: unknown,
    ...path: (string | number)[]
  ): void => {
    if (typeof name !== 'string' || defined) return;
    report([...at, ...path], `unknown ${kind} ${name}`, definedIn[kind]);
  };
  const { image } = service;
  missing(known.images.has(image), 'image', image, 'image');
  listOf(service['mounts']).forEach(({ model, files, template }, place) => {
    missing(known.models.has(model), 'model', model, 'mounts', place, 'model');
    missing(known.files.has(files), 'files', files, 'mounts', place, 'files');
    missing(known.files.has(template), 'files', template, 'mounts', place, 'template');
  });
  listOf(service['adapters']).forEach(({ model }, place) => {
    missing(known.models.has(model), 'model', model, 'adapters', place, 'model');
  });
  listOf(service['secrets']).forEach(({ secret }, place) => {
    const defined = Object.hasOwn(known.secrets, String(secret));
    missing(defined, 'secret', secret, 'secrets', place, 'secret');
  });
  textsOf(service['dependsOn']).forEach((other, place) => {
    missing(known.services.has(other), 'service', other, 'dependsOn', place);
    const asked = known.services.get(other);
    if (asked !== undefined && asked['health'] === undefined)
      report(
        [...at, 'dependsOn', place],
        `service ${other} has no health check, so it is unknown when it is ready`,
        ['services', '*', 'health'],
      );
  });
  for (const { name, path } of parametersUsed(service))
    missing(Object.hasOwn(known.parameters, name), 'parameter', name, ...path);
}

/** Every item becomes a tag of the bundle. */
function checkNames(document: Fields, report: Report): void {
  const items = new Set<string>();
  for (const section of ['models', 'images', 'files', 'charts', 'objects']) {
    listOf(document[section]).forEach(({ name }, index) => {
      if (typeof name !== 'string') return;
      if (items.has(name))
        report(
          [section, index, 'name'],
          'two models, images, files, charts or objects have the same name: each becomes a tag of the bundle',
        );
      items.add(name);
    });
  }
  const services = new Set<string>();
  listOf(document['services']).forEach(({ name }, index) => {
    if (typeof name !== 'string') return;
    if (services.has(name)) report(['services', index, 'name'], 'two services have the same name');
    services.add(name);
  });
  for (const section of ['charts', 'objects'])
    listOf(document[section]).forEach(({ name }, index) => {
      if (typeof name === 'string' && services.has(name))
        report([section, index, 'name'], `a service is named ${name} too: sites show both by name`);
    });
}

/** The names in `${parameters.NAME}` anywhere in a service's arguments, variables, ports and `egress`, each once. */
function parametersUsed(
  service: Fields,
): { readonly name: string; readonly path: (string | number)[] }[] {
  return parametersIn([
    ...programTexts(service),
    ...listOf(service['ports']).map(({ host }, index) => {
      return { text: host, path: ['ports', index, 'host'] };
    }),
    ...listOf(service['egress']).map(({ to }, index) => {
      return { text: to, path: ['egress', index, 'to'] };
    }),
  ]);
}

type TextAt = ReturnType<typeof programTexts>[number];

/** The texts in a value of any type. */
function textsWithin(value: unknown, path: (string | number)[]): TextAt[] {
  if (typeof value === 'string') return [{ text: value, path }];
  if (typeof value !== 'object' || value === null) return [];
  const list = Array.isArray(value);
  return Object.entries(value).flatMap(([key, each]) =>
    textsWithin(each, [...path, list ? Number(key) : key]),
  );
}

function parametersIn(
  texts: readonly TextAt[],
): { readonly name: string; readonly path: (string | number)[] }[] {
  const used = new Map<string, (string | number)[]>();
  for (const { text, path } of texts) {
    for (const [, name = ''] of String(text).matchAll(/\$\{parameters\.([^}]*)\}/g))
      if (!used.has(name)) used.set(name, path);
  }
  return [...used].map(([name, path]) => ({ name, path }));
}

function reporter(input: object, context: Context): Report {
  return (path, message, ...causes) =>
    context.addIssue({ code: 'custom', input, path, message, ...follows(...causes) });
}

function namesOf(value: unknown): Set<unknown> {
  return new Set(listOf(value).map(({ name }) => name));
}
