// An OpenAI-compatible embedding server over llama.cpp. It lies beside the chat server, whose packages it uses.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { getLlama } from 'node-llama-cpp';

process.on('SIGTERM', () => process.exit(0));

const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  maxThreads: 1,
  logLevel: 'error',
});
const model = await llama.loadModel({ modelPath: '/models/tiny/tiny.gguf' });
const context = await model.createEmbeddingContext({ contextSize: 256 });

createServer(async (request, response) => {
  if (request.url === '/health') return response.end();
  const { input } = JSON.parse(await text(request));
  const { vector } = await context.getEmbeddingFor(input);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ data: [{ index: 0, embedding: vector }] }));
}).listen(8001, () => console.log('serving embeddings'));
