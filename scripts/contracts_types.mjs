// Writes TypeScript with types that are generated from the schemas, and with all samples as constants of these types, which
// tsc then checks: contracts_types.mjs SCHEMAS SAMPLES OUT
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFromFile } from 'json-schema-to-typescript';

const [schemas, samples, out] = process.argv.slice(2);
let count = 0;
for (const file of readdirSync(schemas)) {
  const kind = file.replace('.json', '');
  const { title } = JSON.parse(readFileSync(join(schemas, file), 'utf8'));
  const types = await compileFromFile(join(schemas, file), { cwd: schemas, bannerComment: '', format: false });
  let text = types;
  try {
    const lines = readFileSync(join(samples, `${kind}.jsonl`), 'utf8').trim().split('\n');
    lines.forEach((line, number) => { text += `export const sample${number}: ${title} = ${line};\n`; });
    count += lines.length;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  // Whoever leaves out a member, or adds one, is told. TypeScript has no type for an empty object.
  if (kind !== 'example') text += `// @ts-expect-error\nexport const wrong: ${title} = { 'no such member': 0, 'nor this': [] };\n`;
  writeFileSync(join(out, `${kind}.ts`), text);
}
console.log(`TypeScript: ${count} samples`);
