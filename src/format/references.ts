import type { z } from 'zod';
import { inOrder, type Service } from './service.ts';

interface Named {
  readonly name: string;
}

/** The members that a manifest and a bundle index share. */
interface Release {
  readonly services: readonly Service[];
  readonly acceptance: readonly { readonly service: string }[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, unknown>>;
  readonly models: readonly Named[];
  readonly images: readonly Named[];
  readonly files: readonly Named[];
}

/** Checks that every name in use is defined exactly once. */
export function checkReferences(
  release: Release,
  context: Pick<z.core.$RefinementCtx, 'addIssue'>,
): void {
  const defect = (path: (string | number)[], message: string): void => {
    context.addIssue({ code: 'custom', input: release, path, message });
  };
  const models = new Set(release.models.map((each) => each.name));
  const images = new Set(release.images.map((each) => each.name));
  const files = new Set(release.files.map((each) => each.name));
  if (
    new Set([...models, ...images, ...files]).size !==
    release.models.length + release.images.length + release.files.length
  ) {
    defect([], 'two models, images or files have the same name: each becomes a tag of the bundle');
  }
  const services = new Map(release.services.map((each) => [each.name, each]));
  if (services.size !== release.services.length)
    defect(['services'], 'two services have the same name');
  release.services.forEach((each, index) => {
    const at = ['services', index];
    if (!images.has(each.image)) defect([...at, 'image'], `unknown image ${each.image}`);
    each.mounts.forEach((mount, place) => {
      if ('model' in mount && !models.has(mount.model))
        defect([...at, 'mounts', place], `unknown model ${mount.model}`);
      if ('files' in mount && !files.has(mount.files))
        defect([...at, 'mounts', place], `unknown files ${mount.files}`);
      if ('template' in mount && !files.has(mount.template))
        defect([...at, 'mounts', place], `unknown files ${mount.template}`);
    });
    each.adapters.forEach(({ model }, place) => {
      if (!models.has(model)) defect([...at, 'adapters', place], `unknown model ${model}`);
    });
    each.secrets.forEach(({ secret }, place) => {
      if (!Object.hasOwn(release.secrets, secret))
        defect([...at, 'secrets', place], `unknown secret ${secret}`);
    });
    for (const other of each.dependsOn) {
      if (!services.has(other)) defect([...at, 'dependsOn'], `unknown service ${other}`);
      else if (services.get(other)?.health === undefined)
        defect(
          [...at, 'dependsOn'],
          `service ${other} has no health check, so it is unknown when it is ready`,
        );
    }
    for (const used of parametersUsed(each)) {
      if (!Object.hasOwn(release.parameters, used)) defect(at, `unknown parameter ${used}`);
    }
  });
  const known = release.services.map(({ name, dependsOn }) => ({
    name,
    dependsOn: dependsOn.filter((other) => services.has(other)),
  }));
  if (inOrder(known) === undefined)
    defect(['services'], 'services depend on each other in a cycle: see their dependsOn');
  release.acceptance.forEach((each, index) => {
    const asked = services.get(each.service);
    if (asked === undefined)
      defect(['acceptance', index, 'service'], `unknown service ${each.service}`);
    else if (asked.health?.port === undefined) {
      defect(
        ['acceptance', index, 'service'],
        `the health check of service ${each.service} names no port for prompts`,
      );
    }
  });
}

/** The names in `${parameters.NAME}` anywhere in a service's args, env and ports. */
function parametersUsed(each: Service): Set<string> {
  const texts = [
    ...each.args,
    ...Object.values(each.env),
    ...each.ports.map((port) => String(port.host)),
  ];
  const names = new Set<string>();
  for (const text of texts) {
    for (const match of text.matchAll(/\$\{parameters\.([^}]*)\}/g)) names.add(match[1] ?? '');
  }
  return names;
}
