// Validates an AsyncAPI document, and the schemas that it refers to: contracts_documents.mjs FILE
import { Parser, fromFile } from '@asyncapi/parser';

const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
// That there is a newer version of the specification is no fault.
const faults = diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version');
for (const { code, message, path } of faults) console.error(`${path.join('/')}: ${code}: ${message}`);
if (!document || faults.length) process.exit(1);
console.log(`AsyncAPI: ${document.channels().all().length} channels, ${document.messages().all().length} messages`);
