import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../free-port.ts';
import { type CallName, CALLS, JSON_BODY } from './calls.ts';

/** What a program is told of a call. */
export interface Errand {
  readonly call: CallName;
  /** Where the gateway, or what stands before it, is. */
  readonly base: string;
  readonly token: string;
  readonly picture: string;
}

/** A client as Debian has it. */
export interface Client {
  readonly name: string;
  readonly packages: readonly string[];
  readonly calls: readonly CallName[];
  command(errand: Errand): readonly string[];
}

const PROGRAMS = join(import.meta.dirname, 'programs');
const JARS = '/usr/share/java';

const java = (
  name: string,
  program: string,
  packages: readonly string[],
  jars: readonly string[],
): Client => ({
  name,
  packages: ['default-jdk-headless', ...packages],
  calls: CALLS,
  command: ({ call }) => [
    'java',
    ...(jars.length === 0 ? [] : ['-cp', jars.map((jar) => `${JARS}/${jar}.jar`).join(':')]),
    join(PROGRAMS, program),
    call,
  ],
});

const ruby = (name: string, program: string, gem: string): Client => ({
  name,
  packages: ['ruby', gem],
  calls: CALLS,
  command: ({ call }) => ['ruby', join(PROGRAMS, program), call],
});

const PATHS: Readonly<Record<CallName, string>> = {
  models: '/models',
  generate: '/v1/ideogram-v3/generate',
  remix: '/v1/ideogram-v3/remix',
  health: '/-/health',
  'health-head': '/-/health',
};

/** What curl says for each call, after its own name and the token. */
const CURL: Readonly<Record<CallName, (picture: string) => readonly string[]>> = {
  models: () => [],
  generate: () => ['-H', 'Content-Type: application/json', '--data', JSON_BODY],
  remix: (picture) => ['-F', 'prompt=a lighthouse', '-F', 'rendering_speed=TURBO', '-F', `image=@${picture}`],
  health: () => [],
  'health-head': () => ['--head'],
};

const WGET: Readonly<Record<CallName, readonly string[]>> = {
  models: [],
  generate: ['--header=Content-Type: application/json', `--post-data=${JSON_BODY}`],
  // It has no forms.
  remix: [],
  health: [],
  'health-head': ['--spider'],
};

export const CLIENTS: readonly Client[] = [
  {
    name: 'curl',
    packages: ['curl'],
    calls: CALLS,
    command: ({ call, base, token, picture }) => [
      'curl',
      '-sS',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      '-H',
      `Authorization: Bearer ${token}`,
      ...CURL[call](picture),
      base + PATHS[call],
    ],
  },
  {
    name: 'wget',
    packages: ['wget'],
    calls: CALLS.filter((call) => call !== 'remix'),
    command: ({ call, base, token }) => [
      'wget',
      '-nv',
      '-O',
      '/dev/null',
      '-S',
      `--header=Authorization: Bearer ${token}`,
      ...WGET[call],
      base + PATHS[call],
    ],
  },
  java('java-httpclient', 'JavaHttpClient.java', [], []),
  java(
    'apache-httpclient-4',
    'ApacheHttpClient4.java',
    ['libhttpclient-java'],
    ['httpclient', 'httpcore', 'httpmime', 'commons-logging', 'commons-codec'],
  ),
  java(
    'apache-httpclient-5',
    'ApacheHttpClient5.java',
    ['libhttpclient5-java', 'libslf4j-java'],
    ['httpclient5', 'httpcore5', 'httpcore5-h2', 'slf4j-api', 'slf4j-nop'],
  ),
  java(
    'spring-4',
    'SpringRestTemplate.java',
    ['libspring-web-java'],
    ['spring3-web', 'spring3-core', 'commons-logging'],
  ),
  {
    name: 'aiohttp',
    packages: ['python3-aiohttp'],
    calls: CALLS,
    command: ({ call }) => ['/usr/bin/python3', join(PROGRAMS, 'aiohttp_client.py'), call],
  },
  ruby('ruby-multipart-post', 'multipart_post.rb', 'ruby-multipart-post'),
  ruby('ruby-httpclient', 'httpclient.rb', 'ruby-httpclient'),
];

/** Runs a client once. The status that it saw, or what it said in place of one. */
export async function run(client: Client, errand: Errand): Promise<string> {
  const [program = '', ...words] = client.command(errand);
  const { base, token, picture } = errand;
  const child = spawn(program, words, {
    env: { PATH: '/usr/bin:/bin', BASE: base, TOKEN: token, FILE: picture, JSON: JSON_BODY },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  child.on('error', () => undefined);
  const [out, faults] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  const [said, complained] = [out, faults].map((pieces) =>
    Buffer.concat(pieces as Buffer[])
      .toString()
      .trim(),
  ); // as: without an encoding they are bytes
  return said || (/HTTP\/1\.[01] (\d{3})/.exec(complained ?? '')?.[1] ?? complained ?? '');
}

/** What stands between callers and the gateway. */
export interface Intermediary {
  readonly name: string;
  readonly packages: readonly string[];
  readonly program: string;
  /** Its configuration: it listens on one port of this machine, and passes on to the other. */
  configure(port: number, behind: number, folder: string): string;
  words(file: string, folder: string): readonly string[];
}

export const INTERMEDIARIES: readonly Intermediary[] = [
  {
    name: 'nginx',
    packages: ['nginx-light'],
    program: '/usr/sbin/nginx',
    configure: (port, behind, folder) => `
      daemon off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log; events {}
      http {
        access_log off;
        client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
        uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
        server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${behind}; } }
      }`,
    words: (file, folder) => ['-c', file, '-p', folder, '-e', join(folder, 'nginx.log')],
  },
  {
    name: 'haproxy',
    packages: ['haproxy'],
    program: '/usr/sbin/haproxy',
    configure: (port, behind) => `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend callers
  bind 127.0.0.1:${port}
  default_backend gateway
backend gateway
  option forwardfor
  option httpchk GET /-/health
  server one 127.0.0.1:${behind} check inter 200ms
`,
    words: (file) => ['-db', '-f', file],
  },
];

/** Starts an intermediary before a port. It is there when it answers. */
export async function start(
  intermediary: Intermediary,
  behind: number,
  folder: string,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const port = await freePort();
  const file = join(folder, `${intermediary.name}.conf`);
  writeFileSync(file, intermediary.configure(port, behind, folder));
  const child = spawn(intermediary.program, intermediary.words(file, folder), { stdio: 'inherit' });
  const gone = once(child, 'close');
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://127.0.0.1:${port}/-/health`).catch(() => null);
    if (answer?.status === 200) break;
    if (tries === 100 || child.exitCode !== null) throw new Error(`${intermediary.name} does not serve`);
    await delay(100);
  }
  return {
    port,
    async stop() {
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** The packages of Debian that are not there. */
export function missing(all: readonly { readonly packages: readonly string[] }[]): readonly string[] {
  const names = new Set(all.flatMap(({ packages }) => packages));
  return [...names].filter((name) => !existsSync(`/usr/share/doc/${name}`));
}
