import * as z from 'zod';
import * as field from './field.ts';
import type { Service } from './service.ts';

/** A setting of a service that the manifest leaves open and the lock decides. */
export type DerivedSetting =
  | {
      readonly service: string;
      /** Bytes of `/dev/shm`, or `health.startupSeconds`. */
      readonly field: 'sharedMemory' | 'startupSeconds';
      readonly value: number;
      readonly reason: string;
    }
  | {
      readonly service: string;
      /** A variable of the environment. */
      readonly field: 'env.HOME' | 'env.USER';
      readonly value: string;
      readonly reason: string;
    };

const common = { service: field.name, reason: field.line(500) };

export const derivedSettings: z.ZodType<readonly DerivedSetting[]> = field.exact(
  z
    .array(
      z.union([
        z.strictObject({
          ...common,
          field: z.enum(['sharedMemory', 'startupSeconds']),
          value: z.int().min(1),
        }),
        z.strictObject({
          ...common,
          field: z.enum(['env.HOME', 'env.USER']),
          value: field.line(256),
        }),
      ]),
    )
    .min(1)
    .max(256),
);

/** The services as a bundle has them: with what the lock derived where the manifest is silent. */
export function withDerived(
  services: readonly Service[],
  derived: readonly DerivedSetting[] = [],
): readonly Service[] {
  return services.map((service) =>
    derived
      .filter((each) => each.service === service.name)
      .reduce<Service>((settled, setting) => settle(settled, setting), service),
  );
}

function settle(service: Service, setting: DerivedSetting): Service {
  switch (setting.field) {
    case 'sharedMemory':
      return { ...service, sharedMemory: setting.value };
    case 'startupSeconds':
      return service.health === undefined
        ? service
        : { ...service, health: { ...service.health, startupSeconds: setting.value } };
    default: {
      const name = setting.field.slice('env.'.length);
      return { ...service, env: { [name]: setting.value, ...service.env } };
    }
  }
}
