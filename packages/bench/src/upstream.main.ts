import { createServer } from 'node:http';
import { tellReady, tellUsage } from './usage.ts';

/** A plain local server that takes any call and answers at once: the same one behind both gateways. */
const ANSWER = JSON.stringify({
  created: '2026-01-01T00:00:00Z',
  data: [
    {
      url: 'http://127.0.0.1/image.png',
      prompt: 'a lighthouse',
      resolution: '1024x1024',
      is_image_safe: true,
      seed: 1,
    },
  ],
});
let calls = 0;

const server = createServer((request, response) => {
  if (request.url === '/-/calls') {
    response.end(String(calls));
    return;
  }
  request.resume();
  request.once('end', () => {
    calls++;
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length });
    response.end(ANSWER);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') tellReady(`http://127.0.0.1:${address.port}`);
});
tellUsage(async () => void server.close());
