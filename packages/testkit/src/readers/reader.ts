import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** What a reader is known not to see, or to see in its own way, in what passes. Each is a row of docs/forms.md. */
export interface Ways {
  /**
   * What makes a part a file: any file name (the default), `filename` alone, or a Content-Type. What is a file to the
   * gateway, and to a reader isn't, is text to it, decoded in some way.
   */
  readonly fileBy?: 'file-name' | 'plain-file-name' | 'content-type';
  /** Keeps the last of equal names only. */
  readonly lastOf?: 'name' | 'name-and-kind';
}

/** A reader of bodies that others use, and how to start it: a process that answers frames (`programs/frames.ts`). */
export interface ReaderProgram {
  readonly name: string;
  readonly ways: Ways;
  /** Debian packages that it needs. */
  readonly debian: readonly string[];
  /** Makes it ready, and says what to run. */
  readonly command: () => Promise<readonly [file: string, ...args: string[]]>;
}

const run = promisify(execFile);

function program(file: string): string {
  return fileURLToPath(new URL(`./programs/${file}`, import.meta.url));
}

function npm(name: string, ways: Ways = {}): ReaderProgram {
  return {
    name,
    ways,
    debian: [],
    command: async () => [process.execPath, program('npm-forms.ts'), name],
  };
}

/** Debian's own interpreter, whatever comes first on the path: its packages are for that one. */
function python(name: string, which: string, packages: readonly string[], ways: Ways = {}): ReaderProgram {
  return {
    name,
    ways,
    debian: ['python3', ...packages],
    command: async () => ['/usr/bin/python3', program('python_forms.py'), which],
  };
}

const JARS = [
  'commons-fileupload',
  'commons-io',
  'servlet-api',
  'tomcat10-coyote',
  'tomcat10-util',
  'tomcat10-juli',
  'tomcat10-servlet-api',
].map((name) => `/usr/share/java/${name}.jar`);

function java(name: string, main: string, packages: readonly string[], ways: Ways = {}): ReaderProgram {
  return {
    name,
    ways,
    debian: ['default-jdk-headless', ...packages],
    async command() {
      const classes = mkdtempSync(join(tmpdir(), 'ideogate-readers-'));
      const path = JARS.join(':');
      await run('javac', [
        '-nowarn',
        '-d',
        classes,
        '-cp',
        path,
        program('Frames.java'),
        program(`${main}.java`),
      ]);
      return ['java', '-cp', `${path}:${classes}`, main];
    },
  };
}

/** Readers of forms in npm. */
export const NPM_READERS: readonly ReaderProgram[] = [
  npm('busboy'),
  npm('@fastify/busboy'),
  npm('multiparty'),
  npm('formidable', { fileBy: 'content-type' }),
  npm('undici'),
  npm('Node.js'),
];

/** Readers of forms in Debian. */
export const DEBIAN_READERS: readonly ReaderProgram[] = [
  python('Python email', 'email', []),
  python('Python cgi', 'cgi', [], { fileBy: 'plain-file-name' }),
  python('werkzeug', 'werkzeug', ['python3-werkzeug']),
  python('aiohttp', 'aiohttp', ['python3-aiohttp']),
  python('starlette', 'starlette', ['python3-starlette', 'python3-multipart'], { fileBy: 'plain-file-name' }),
  python('Django', 'django', ['python3-django']),
  python('Tornado', 'tornado', ['python3-tornado']),
  {
    name: 'PHP',
    ways: { fileBy: 'plain-file-name', lastOf: 'name-and-kind' },
    debian: ['php-cli'],
    command: async () => [process.execPath, program('php-forms.ts')],
  },
  {
    name: 'Rack',
    ways: { lastOf: 'name' },
    debian: ['ruby-rack'],
    command: async () => ['ruby', program('rack_forms.rb')],
  },
  {
    name: 'CGI.pm',
    ways: { fileBy: 'plain-file-name' },
    debian: ['libcgi-pm-perl'],
    command: async () => ['perl', program('cgi_forms.pl')],
  },
  {
    name: 'Go',
    ways: {},
    debian: ['golang-go'],
    async command() {
      const binary = join(mkdtempSync(join(tmpdir(), 'ideogate-readers-')), 'forms');
      await run('go', ['build', '-o', binary, program('forms.go')], {
        env: { ...process.env, GO111MODULE: 'off' },
      });
      return [binary];
    },
  },
  java('Commons FileUpload', 'CommonsForms', ['libcommons-fileupload-java', 'libservlet-api-java'], {
    fileBy: 'plain-file-name',
  }),
  java('Tomcat', 'TomcatForms', ['libtomcat10-java']),
];
