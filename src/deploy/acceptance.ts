import type { AcceptancePrompt } from '../format/deployment.ts';
import { ask, type Endpoint } from '../target/ask.ts';

export interface PutPrompt {
  /** What must come back, in words. */
  readonly expected: string;
  /** Asks; true when the answer is as expected, else what came. */
  readonly run: () => Promise<string | true>;
}

/** One acceptance prompt as a question to a service's OpenAI-compatible endpoint, at temperature 0. */
export function putPrompt(
  prompt: AcceptancePrompt,
  endpoint: Endpoint,
  signal: AbortSignal,
): PutPrompt {
  return {
    expected: `${JSON.stringify(prompt.prompt)} answered by text that ${describe(prompt.expect)} within ${prompt.withinSeconds} s`,
    run: async () => {
      const path = prompt.api === 'chat' ? '/v1/chat/completions' : '/v1/completions';
      const answer = await ask(endpoint, path, prompt.withinSeconds, signal, requestOf(prompt));
      if (answer === undefined) return `no answer within ${prompt.withinSeconds} s`;
      const text = answer.status === 200 ? answerText(answer.body) : undefined;
      if (text === undefined)
        return `status ${answer.status}: ${JSON.stringify(answer.body.slice(0, 500))}`;
      return meets(prompt.expect, text) ? true : JSON.stringify(text);
    },
  };
}

function requestOf(prompt: AcceptancePrompt): unknown {
  const common = { model: prompt.model, max_tokens: prompt.maxTokens, temperature: 0 };
  return prompt.api === 'chat'
    ? { ...common, messages: [{ role: 'user', content: prompt.prompt }] }
    : { ...common, prompt: prompt.prompt };
}

/** The text of the first choice of a chat or text completion, or undefined for anything else. */
export function answerText(body: string): string | undefined {
  try {
    const reply = JSON.parse(body) as {
      choices?: readonly { text?: unknown; message?: { content?: unknown } }[];
    };
    const choice = reply.choices?.[0];
    const text = choice?.message?.content ?? choice?.text;
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}

function meets(expect: AcceptancePrompt['expect'], text: string): boolean {
  if ('equals' in expect) return text.trim() === expect.equals.trim();
  if ('contains' in expect) return text.includes(expect.contains);
  if ('matches' in expect) return new RegExp(expect.matches, 'u').test(text);
  return false;
}

function describe(expect: AcceptancePrompt['expect']): string {
  if ('equals' in expect) return `is ${JSON.stringify(expect.equals.trim())}`;
  if ('contains' in expect) return `contains ${JSON.stringify(expect.contains)}`;
  if ('matches' in expect) return `matches /${expect.matches}/u`;
  return 'is of another shape';
}
