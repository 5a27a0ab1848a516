import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A caller on a bare socket, who can leave at any byte. */
export interface RawCaller {
  readonly socket: Socket;
  /** All that came back so far, as latin1 text. */
  heard(): string;
  /** All that came back until the connection closed. */
  readonly closed: Promise<string>;
}

export async function callFrom(port: number, bytes: string): Promise<RawCaller> {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(heard)));
  await once(socket, 'connect');
  socket.write(bytes, 'latin1');
  return { socket, heard: () => heard, closed };
}

/** A whole request in bytes, after whose answer the connection closes. */
export function postJson(path: string, token: string, body: object): string {
  const text = JSON.stringify(body);
  return `${head('POST', path, token)}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

export function get(path: string, token: string): string {
  return `${head('GET', path, token)}\r\n`;
}

/** The head of a multipart upload of so many bytes, and the beginning of its body: prompt, then a file without end. */
export function beginUpload(path: string, token: string, length: number): string {
  return (
    `${head('POST', path, token)}Content-Type: multipart/form-data; boundary=XXXX\r\nContent-Length: ${length}\r\n\r\n` +
    '--XXXX\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse\r\n' +
    '--XXXX\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
  );
}

function head(method: string, path: string, token: string): string {
  return `${method} ${path} HTTP/1.1\r\nHost: gateway.test\r\nApi-Key: ${token}\r\nConnection: close\r\n`;
}

/** The body of an answer, whatever its framing: all after the head. */
export function bodyOf(answer: string): string {
  const at = answer.indexOf('\r\n\r\n');
  return at === -1 ? '' : answer.slice(at + 4);
}

export function callIdOf(answer: string): string {
  return /^ideogate-call-id: (\S+)\r$/im.exec(answer)?.[1] ?? '';
}
