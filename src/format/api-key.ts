import { type Fields, fieldsOf, listOf } from '../core/json.ts';

/** The kinds of servers that accept requests with `Authorization: Bearer KEY`. */
const keyedServers: readonly unknown[] = ['vllm', 'llama.cpp', 'sglang', 'tgi', 'http'];

/** Why a service, whose fields may have any type, cannot have its `health.apiKey`; undefined if it can. */
export function apiKeyDefect(service: Fields): string | undefined {
  const { apiKey, server } = fieldsOf(service['health']);
  if (typeof apiKey !== 'string') return undefined;
  if (!keyedServers.includes(server))
    return `a server of kind ${server} has no API key: only ${keyedServers.join(', ')} do`;
  if (!listOf(service['secrets']).some(({ secret }) => secret === apiKey))
    return 'names no secret of this service: its server reads the key from a file that is mounted with "secrets"';
  return undefined;
}

/** Whether services, which may have any type, have an API key, which versions before 3 of bundles do not have. */
export function usesApiKey(services: unknown): boolean {
  return listOf(services).some(({ health }) => Object.hasOwn(fieldsOf(health), 'apiKey'));
}
