import { parseJson } from '../../core/canonical-json.ts';
import { StowageError } from '../../core/error.ts';
import type { EngineClient } from './engine-client.ts';

/**
 * What an engine's `info` says, which opens its image store and finds its runtime, as `version` does not. Text that is
 * no JSON says nothing.
 * @param unfit makes the error of a host that has no such engine
 * @throws StowageError what `unfit` made, or `engine-failed` when the engine does not work
 */
export async function engineInfo<T extends object>(
  engine: EngineClient,
  signal: AbortSignal,
  unfit: (found: string, cause: unknown) => StowageError,
): Promise<Partial<T>> {
  const text = await engine
    .must(['info', '--format', '{{json .}}'], signal)
    .catch((cause: unknown) => {
      throw cause instanceof StowageError && cause.code === 'host-unfit'
        ? unfit('none', cause)
        : cause;
    });
  try {
    return parseJson(Buffer.from(text)) as Partial<T>;
  } catch {
    return {};
  }
}

/** Whether `MAJOR.MINOR...` is this version or a newer one. */
export function isAtLeast(version: string, oldest: readonly [number, number]): boolean {
  const [, major = '0', minor = '0'] = /^([0-9]+)\.([0-9]+)/.exec(version) ?? [];
  return Number(major) > oldest[0] || (Number(major) === oldest[0] && Number(minor) >= oldest[1]);
}
