// An OpenAI-compatible server over llama.cpp: one model, one request at a time, greedy unless asked otherwise. It understands those
// options of llama-server, and their variables, that the lab's manifests set, so that it can take its place.
import { createServer } from 'node:http';
import { basename } from 'node:path';
import { text } from 'node:stream/consumers';
import { getLlama, LlamaCompletion } from 'node-llama-cpp';

const modelPath = setting('model') ?? '/models/model.gguf';
const modelName = setting('alias') ?? basename(modelPath, '.gguf');
const host = setting('host') ?? '0.0.0.0';
const port = Number(setting('port') ?? 8080);

/** The loaded model's context; undefined while it loads. */
let context;
let queue = Promise.resolve();

process.on('SIGTERM', () => process.exit(0));
process.on('SIGINT', () => process.exit(0));

createServer((request, response) => {
  answer(request, response).catch((error) => {
    if (response.headersSent) response.destroy();
    else sendError(response, error instanceof SyntaxError ? 400 : 500, error.message);
  });
}).listen(port, host, () => console.log(`listening on ${host}:${port}`));

try {
  context = await load();
  console.log(`serving ${modelName}`);
} catch (error) {
  console.error(`error: cannot load ${modelPath}: ${error.message}`);
  process.exit(1);
}

function setting(name) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? process.env[`LLAMA_ARG_${name.toUpperCase()}`] : process.argv[at + 1];
}

async function load() {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    maxThreads: 1, // more are far slower on machines with two shared cores
    logLevel: 'error',
  });
  const model = await llama.loadModel({ modelPath });
  return model.createContext({ contextSize: 256, sequences: 1 });
}

async function answer(request, response) {
  const route = `${request.method} ${new URL(request.url, 'http://server').pathname}`;
  if (route === 'GET /health') {
    return send(response, context ? 200 : 503, { status: context ? 'ok' : 'loading' });
  }
  if (!context) return sendError(response, 503, 'the model is loading');
  if (route === 'GET /v1/models') {
    return send(response, 200, {
      object: 'list',
      data: [{ id: modelName, object: 'model', owned_by: 'local' }],
    });
  }
  const chat = route === 'POST /v1/chat/completions';
  if (!chat && route !== 'POST /v1/completions') return sendError(response, 404, 'not found');
  const body = JSON.parse(await text(request));
  if (body.model !== undefined && body.model !== modelName) {
    return sendError(response, 404, `the model ${body.model} does not exist`);
  }
  const prompt = chat ? body.messages.map((message) => message.content).join('\n') : body.prompt;
  if (typeof prompt !== 'string') return sendError(response, 400, 'the prompt is not a string');
  return body.stream ? stream(response, chat, prompt, body) : whole(response, chat, prompt, body);
}

async function whole(response, chat, prompt, body) {
  const reply = await generate(response, prompt, body);
  const choice = chat ? { message: { role: 'assistant', content: reply } } : { text: reply };
  const object = chat ? 'chat.completion' : 'text_completion';
  send(response, 200, envelope(object, { ...choice, finish_reason: 'stop' }));
}

async function stream(response, chat, prompt, body) {
  const object = chat ? 'chat.completion.chunk' : 'text_completion';
  const event = (choice) => response.write(`data: ${JSON.stringify(envelope(object, choice))}\n\n`);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  await generate(response, prompt, body, (piece) =>
    event(chat ? { delta: { content: piece } } : { text: piece }),
  );
  event({ ...(chat ? { delta: {} } : { text: '' }), finish_reason: 'stop' });
  response.end('data: [DONE]\n\n');
}

/** Waits for its turn; gives up when the client has gone. */
function generate(response, prompt, body, onTextChunk) {
  const abandoned = new AbortController();
  response.on('close', () => abandoned.abort());
  const turn = queue.then(async () => {
    const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
    try {
      return await completion.generateCompletion(prompt, {
        maxTokens: body.max_tokens ?? body.max_completion_tokens ?? 32,
        temperature: body.temperature ?? 0,
        seed: body.seed,
        signal: abandoned.signal,
        stopOnAbortSignal: true,
        onTextChunk,
      });
    } finally {
      completion.dispose({ disposeSequence: true });
    }
  });
  queue = turn.catch(() => {});
  return turn;
}

function envelope(object, choice) {
  const created = Math.floor(Date.now() / 1000);
  const id = `cmpl-${created}`;
  return { id, object, created, model: modelName, choices: [{ index: 0, ...choice }] };
}

function sendError(response, status, message) {
  send(response, status, { error: { message, code: status } });
}

function send(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
