import { fileVariable } from './read-settings.ts';
import type { NumberSetting, SecretSetting, Setting } from './setting.ts';
import { SETTINGS } from './table.ts';

const WIDTH = 118;

/** Tables of `docs/run.md` (Markdown), by the name of the comments between which each stands. */
export function settingsTables(): Readonly<Record<string, string>> {
  const { gateway, accessTokens, issuer, ...others } = SETTINGS;
  const settings: readonly Setting[] = Object.values(others).flatMap((group) => Object.values(group));
  return {
    variables: table(
      ['variable', 'default', 'meaning', 'read by'],
      settings.map((setting) => [
        `\`${setting.variable}\``,
        defaultInWords(setting) ?? '',
        meaningInDocs(setting),
        setting.readBy.join(', '),
      ]),
    ),
    settings: numberTable(Object.values(gateway)),
    'access-token-settings': numberTable(Object.values(accessTokens)),
    'issuer-settings': numberTable(Object.values(issuer)),
  };
}

/** A page in which the tables between the comments are those of `tables`. @throws when the page lacks one */
export function withTables(page: string, tables: Readonly<Record<string, string>>): string {
  return Object.entries(tables).reduce((text, [name, rows]) => {
    const [begin, end] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the page has no place for the table ${name}`);
    return text.slice(0, from) + begin + rows + text.slice(to);
  }, page);
}

/** The text of `.env.example`. */
export function envExample(): string {
  const settings: readonly Setting[] = Object.values(SETTINGS).flatMap((group) => Object.values(group));
  return `${[HEAD, ...settings.map(inEnvExample)].join('\n\n')}\n`;
}

const HEAD = `# Copy to .env.local, which git ignores, change what you need, and start with it:
#   set -a; . ./.env.local; set +a; npx --yes pnpm@12 start
# What is commented out has the value shown, or is not set. docs/run.md says more.`;

function inEnvExample(setting: Setting): string {
  const { meaning, more } = setting;
  const words = [
    meaning.replaceAll('`', ''),
    ...(setting.type === 'number' ? [boundsInWords(setting)] : []),
    ...('example' in setting ? [`Such as ${setting.example}.`] : []),
    ...(more === undefined ? [] : [placeInWords(more)]),
    ...(hasFile(setting) ? ['A secret: it, or the file that holds it.'] : []),
  ];
  // A default in Markdown is made of something else, and no value to set.
  const usual = defaultInWords(setting)?.replace(/.*`.*/, '') ?? '';
  const lines = [`# ${setting.variable}=${usual}`];
  if (hasFile(setting)) lines.push(`# ${fileVariable(setting)}=`);
  return [...wrapped(words.join(' ')), ...lines].join('\n');
}

function boundsInWords({ unit, min, max }: NumberSetting): string {
  return unit === null ? `From ${min} to ${max}.` : `In ${unit}, from ${min} to ${max}.`;
}

function placeInWords({ title, target }: NonNullable<Setting['more']>): string {
  return target.startsWith('#') ? `See docs/run.md, ${title}.` : `See docs/${target}.`;
}

function wrapped(text: string): readonly string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH && line !== '#') {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function meaningInDocs(setting: Setting): string {
  const { meaning, more } = setting;
  const told =
    more === undefined ? meaning : `${meaning.replace(/\.$/, '')}: [${more.title}](${more.target}).`;
  return hasFile(setting) ? `${told} A secret: or \`${fileVariable(setting)}\`, a file that holds it.` : told;
}

/** Whether the variable with `_FILE` is read as the place of its value. */
function hasFile(setting: Setting): setting is SecretSetting {
  return setting.type === 'secret' && setting.hasFileSetting !== true;
}

/** Null: not set. */
function defaultInWords(setting: Setting): string | null {
  if (setting.type === 'secret') return null;
  if ('defaultIs' in setting && setting.defaultIs !== undefined) return setting.defaultIs;
  return setting.default === null ? null : String(setting.default);
}

function numberTable(settings: readonly NumberSetting[]): string {
  return table(
    ['variable', 'default', 'from, to', 'meaning'],
    settings.map((setting) => [
      `\`${setting.variable}\``,
      `${setting.default} ${setting.unit ?? ''}`.trimEnd(),
      `${setting.min} to ${setting.max}`,
      meaningInDocs(setting),
    ]),
  );
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  return [heading, heading.map(() => '---'), ...rows]
    .map((cells) => `|${cells.map((cell) => cell && ` ${cell}`).join(' |')} |`)
    .join('\n');
}
