import { readTexts, type TextResult } from './compare-texts.ts';
import { passedTexts } from './text-cases.ts';
import { DEBIAN_TEXT_READERS, NODE_TEXT_READERS } from './text-readers.ts';

export const TEXT_READERS = [...NODE_TEXT_READERS, ...DEBIAN_TEXT_READERS];

/** Lets the chosen readers of JSON and queries read `count` texts of each kind that passed, and prints what they made of them. */
export async function reportTexts(
  chosen: typeof TEXT_READERS,
  seed: number,
  count: number,
): Promise<{ readonly wrong: number; readonly missing: readonly string[] }> {
  if (chosen.length === 0) return { wrong: 0, missing: [] };
  const { passed, made } = passedTexts(seed, count);
  const limited = passed.filter((one) => one.limited).length;
  process.stdout.write(
    `\nseed ${seed}: ${passed.length} JSON bodies and queries passed of ${made} made (${limited} under bounds too)\n\n`,
  );
  const results: TextResult[] = [];
  const missing: string[] = [];
  for (const program of chosen) {
    try {
      results.push(await readTexts(program, passed));
    } catch (error) {
      missing.push(
        `${program.name}: ${error instanceof Error ? error.message.slice(0, 300) : String(error)}`,
      );
    }
  }
  for (const { name, disagreements } of results)
    for (const { text, faults } of disagreements.slice(0, 3))
      process.stdout.write(`${name}: ${faults.join('; ')}\n  ${JSON.stringify(text).slice(0, 500)}\n\n`);
  process.stdout.write(
    '| reader | of | version | read | as decided | gave up | otherwise |\n| --- | --- | --- | --- | --- | --- | --- |\n',
  );
  for (const { name, of, version, read, gaveUp, disagreements } of results) {
    const agreed = read - gaveUp - disagreements.length;
    process.stdout.write(
      `| ${name} | ${of} | ${version} | ${read} | ${agreed} | ${gaveUp} | ${disagreements.length} |\n`,
    );
  }
  for (const { name, reasons } of results)
    for (const [reason, times] of reasons)
      process.stdout.write(`\n${name} gave up ${times} times: ${reason}`);
  for (const line of missing) process.stdout.write(`\nMISSING: ${line}`);
  const wrong = results.reduce((sum, { disagreements }) => sum + disagreements.length, 0);
  return { wrong, missing };
}
