import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Question {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** JSON to send by POST; absent for a GET. */
  readonly body?: string;
}

/** A client that asks without pause, each time with a new connection, as long as it runs. */
export interface AskingClient {
  /** What it got since the last call, failures as `failed: REASON`. */
  take(): readonly string[];
  stop(): Promise<void>;
}

export function askWithoutPause(question: Question): AskingClient {
  let got: string[] = [];
  let asking = true;
  const work = (async () => {
    while (asking) {
      got.push(await askOnce(question).catch((error: Error) => `failed: ${error.message}`));
      await sleep(20);
    }
  })();
  return {
    take() {
      const taken = got;
      got = [];
      return taken;
    },
    async stop() {
      asking = false;
      await work;
    },
  };
}

/** @throws Error without an answer of status 200 */
export function askOnce(question: Question): Promise<string> {
  return new Promise((resolve, reject) => {
    const { body, ...where } = question;
    const sent =
      body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' } };
    const call = request({ ...where, ...sent, agent: false, timeout: 5000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`status ${response.statusCode}`));
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.on('error', reject);
    call.end(body);
  });
}
