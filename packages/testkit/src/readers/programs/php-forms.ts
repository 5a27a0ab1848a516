import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Answer, answerFrames } from './frames.ts';

/** PHP reads forms nowhere but in a server of its own. */
const port = await freePort();
const server = spawn(
  'php',
  [
    'display_errors=0',
    'log_errors=0',
    'post_max_size=64M',
    'upload_max_filesize=64M',
    'max_file_uploads=5000',
    'max_input_vars=5000',
    'max_multipart_body_parts=-1',
  ]
    .flatMap((setting) => ['-d', setting])
    .concat('-S', `127.0.0.1:${port}`, fileURLToPath(new URL('./forms.php', import.meta.url))),
  { stdio: 'ignore' },
);
process.on('exit', () => void server.kill());
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

const { version } = JSON.parse(await firstAnswer()) as { version: string }; // as: forms.php says so
await answerFrames(version, async ({ type, body }) => {
  const text = await ask('/', type, body);
  return JSON.parse(text) as Answer; // as: forms.php says so
});
server.kill();

async function firstAnswer(): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      return await ask('/version', 'text/plain', Buffer.alloc(0));
    } catch (error) {
      if (tries > 100) throw error;
      await delay(50);
    }
  }
}

async function ask(path: string, type: string, body: Buffer): Promise<string> {
  const call = request({ host: '127.0.0.1', port, path, method: 'POST', agent });
  call.setHeader('Content-Type', type);
  call.setHeader('Content-Length', body.length);
  call.end(body);
  const [response] = (await once(call, 'response')) as [AsyncIterable<Buffer>]; // as: what node:http emits
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
