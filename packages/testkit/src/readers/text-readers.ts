import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ReaderProgram } from './reader.ts';

/** What a reader is known not to see, or to see in its own way, in what passes. Each is said in docs/json-and-queries.md. */
export interface TextWays {
  /** It looks for these fields alone, so what else there is it does not see. */
  readonly fieldsOnly?: true;
  /** Keeps the last of equal names only, also of lists. */
  readonly lastOnly?: true;
  /** Decodes a query before it takes it apart: of what it sees only what is declared matters. */
  readonly decodesFirst?: true;
}

/** A reader of JSON or of queries that others use: a process that answers frames, as with forms. */
export interface TextReader extends Omit<ReaderProgram, 'ways'> {
  readonly of: 'json' | 'query';
  readonly ways: TextWays;
}

const run = promisify(execFile);
const scratch = () => mkdtempSync(join(tmpdir(), 'ideogate-readers-'));

function program(file: string): string {
  return fileURLToPath(new URL(`./programs/${file}`, import.meta.url));
}

function reader(
  of: TextReader['of'],
  name: string,
  command: TextReader['command'],
  debian: readonly string[] = [],
  ways: TextWays = {},
): TextReader {
  return { of, name, command, debian, ways };
}

const node = (name: string) => async () => [process.execPath, program('node-texts.ts'), name] as const;
const python = (which: string) => async () => ['/usr/bin/python3', program('texts.py'), which] as const;
const php = (which: string) => async () => ['php', program('texts.php'), which] as const;
const ruby = (which: string) => async () => ['ruby', program('texts.rb'), which] as const;
const perl = (which: string) => async () => ['perl', program('texts.pl'), which] as const;

const go = (which: string) => async () => {
  const binary = join(scratch(), 'texts');
  await run('go', ['build', '-o', binary, program('texts.go')], {
    env: { ...process.env, GO111MODULE: 'off' },
  });
  return [binary, which] as const;
};

const JARS = ['gson', 'jackson-core', 'jackson-databind', 'jackson-annotations']
  .concat('tomcat10-coyote', 'tomcat10-util', 'tomcat10-juli', 'tomcat10-servlet-api')
  .map((name) => `/usr/share/java/${name}.jar`)
  .join(':');
const JAVA = ['default-jdk-headless', 'libgoogle-gson-java', 'libjackson2-databind-java', 'libtomcat10-java'];

const java = (which: string) => async () => {
  const classes = scratch();
  await run('javac', ['-nowarn', '-d', classes, '-cp', JARS, program('Frames.java'), program('Texts.java')]);
  return ['java', '-cp', `${JARS}:${classes}`, 'Texts', which] as const;
};

/** Those that are there wherever the tests run. */
export const NODE_TEXT_READERS: readonly TextReader[] = [
  reader('json', 'JSON.parse', node('JSON.parse')),
  reader('query', 'URLSearchParams', node('URLSearchParams')),
  reader('query', 'node:querystring', node('querystring')),
];

export const DEBIAN_TEXT_READERS: readonly TextReader[] = [
  reader('json', 'Python json', python('json'), ['python3']),
  reader('json', 'PHP json_decode', php('json'), ['php-cli']),
  reader('json', 'Ruby JSON', ruby('json'), ['ruby', 'ruby-rack']),
  reader('json', 'JSON::PP', perl('json'), ['perl', 'libcgi-pm-perl']),
  reader('json', 'Go, into a map', go('map'), ['golang-go']),
  reader('json', 'Go, into a struct', go('struct'), ['golang-go'], { fieldsOnly: true }),
  reader('json', 'Jackson', java('jackson'), JAVA),
  reader('json', 'Gson', java('gson'), JAVA),
  reader('query', 'Python urllib', python('urllib'), ['python3']),
  reader('query', 'werkzeug', python('werkzeug'), ['python3', 'python3-werkzeug']),
  reader('query', 'PHP parse_str', php('query'), ['php-cli'], { lastOnly: true }),
  reader('query', 'Rack', ruby('flat'), ['ruby', 'ruby-rack']),
  reader('query', 'Rack, nested', ruby('nested'), ['ruby', 'ruby-rack'], { lastOnly: true }),
  reader('query', 'CGI.pm', perl('cgi'), ['perl', 'libcgi-pm-perl']),
  reader('query', 'Go url.ParseQuery', go('query'), ['golang-go']),
  reader('query', 'Tomcat', java('tomcat'), JAVA),
  reader('query', 'java.net.URI, split', java('split'), JAVA, { decodesFirst: true }),
];
