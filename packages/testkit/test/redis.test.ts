import { connect } from 'node:net';
import { redisUrl, requireLoopback, testWithRedis } from '../src/index.ts';

testWithRedis('a test that needs Redis is given one that answers', async ({ expect }) => {
  const { hostname, port } = requireLoopback(redisUrl() ?? '');
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write('PING\r\n'));
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString('latin1'));
    });
    socket.once('error', reject);
  });
  expect(answer).toMatch(/^\+PONG/);
});
