import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A page in a headless browser, with what it did while loading. */
export interface Shown {
  /** Requested URLs. */
  readonly requests: readonly string[];
  /** Console messages and violations of its content security policy. */
  readonly said: readonly string[];
  /** The value of an expression in the page. DevTools bypass the content security policy. */
  evaluate<T>(expression: string): Promise<T>;
  /** Presses a key, like a user. */
  press(key: string): Promise<void>;
  /** Lays the page out as for paper, at the width it was opened with. */
  layOutForPaper(): Promise<void>;
  /** The printed page. */
  pdf(): Promise<Buffer>;
  /** The whole page as PNG, to be looked at. */
  picture(): Promise<Buffer>;
}

type Message = Readonly<Record<string, unknown>>;

/** Chromium, driven by the Chrome DevTools Protocol. */
export class Browser {
  readonly #child: ChildProcess;
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (message: Message) => void>();
  readonly #listeners: ((message: Message) => void)[] = [];
  #count = 0;

  private constructor(child: ChildProcess, socket: WebSocket) {
    this.#child = child;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as Message;
      this.#answers.get(Number(message['id']))?.(message);
      for (const listen of this.#listeners) listen(message);
    });
  }

  /** @param profile a folder that does not exist */
  static async start(profile: string): Promise<Browser> {
    const child = spawn(
      'chromium',
      [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
        ...[`--user-data-dir=${profile}`, '--remote-debugging-port=0', 'about:blank'],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    for await (const line of createInterface({ input: child.stderr })) {
      const address = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
      if (address === undefined) continue;
      child.stderr.resume();
      const socket = new WebSocket(address);
      await once(socket, 'open');
      return new Browser(child, socket);
    }
    throw new Error('chromium ended before it listened');
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#socket.close();
    this.#child.kill();
    await ended;
  }

  /** Opens an address at a width in CSS pixels, and waits until it is loaded. */
  async open(address: string, width: number): Promise<Shown> {
    const { targetId } = await this.#send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.#send('Target.attachToTarget', { targetId, flatten: true });
    const send = (method: string, params: object = {}): Promise<Message> =>
      this.#send(method, params, String(sessionId));
    const requests: string[] = [];
    const said: string[] = [];
    const loaded = new Promise<void>((resolve) => {
      this.#listeners.push((message) => {
        if (message['sessionId'] !== sessionId) return;
        const { method = '', params = {} } = message as { method?: string; params?: Message };
        if (method === 'Network.requestWillBeSent')
          requests.push((params['request'] as { url: string }).url);
        if (/^(?:Runtime\.consoleAPICalled|Log\.entryAdded|Page\.javascript)/.test(method))
          said.push(JSON.stringify(params));
        if (method === 'Page.loadEventFired') resolve();
      });
    });
    for (const domain of ['Page', 'Network', 'Runtime', 'Log']) await send(`${domain}.enable`);
    const screen = { width, height: 900, deviceScaleFactor: 1, mobile: false };
    await send('Emulation.setDeviceMetricsOverride', screen);
    await send('Page.navigate', { url: address });
    await loaded;
    return {
      requests,
      said,
      evaluate: async <T>(expression: string): Promise<T> => {
        const given = await send('Runtime.evaluate', { expression, returnByValue: true });
        if (given['exceptionDetails'] !== undefined)
          throw new Error(JSON.stringify(given['exceptionDetails']));
        return (given['result'] as { value: T }).value;
      },
      press: async (key) => {
        for (const type of ['keyDown', 'keyUp'])
          await send('Input.dispatchKeyEvent', {
            type,
            key,
            code: key,
            windowsVirtualKeyCode: codes[key],
          });
      },
      layOutForPaper: async () => {
        await send('Emulation.setEmulatedMedia', { media: 'print' });
      },
      pdf: async () => {
        const { data } = await send('Page.printToPDF', { preferCSSPageSize: true });
        return Buffer.from(String(data), 'base64');
      },
      picture: async () => {
        const { data } = await send('Page.captureScreenshot', { captureBeyondViewport: true });
        return Buffer.from(String(data), 'base64');
      },
    };
  }

  async #send(method: string, params: object, sessionId?: string): Promise<Message> {
    this.#count += 1;
    const id = this.#count;
    const answer = new Promise<Message>((resolve) => this.#answers.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }));
    const { result, error } = await answer;
    this.#answers.delete(id);
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result as Message;
  }
}

const codes: Readonly<Record<string, number>> = { Tab: 9, Enter: 13 };
