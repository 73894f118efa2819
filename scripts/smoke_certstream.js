#!/usr/bin/env node
// Listens with the unmodified `certstream` package of npm: smoke_certstream.js URL SECONDS
//
// Exit status 0 if messages came, none was missing, and the connection held.
'use strict';
const CertStreamClient = require('certstream');
const { version } = require('certstream/package.json');

const [url, seconds] = process.argv.slice(2);
if (!url || !(Number(seconds) > 0)) {
  console.error('usage: smoke_certstream.js URL SECONDS');
  process.exit(2);
}

const started = Date.now();
const faults = [];
const due = new Map(); // index by log
let updates = 0, heartbeats = 0, lastHeard = started;

const client = new CertStreamClient(message => {
  lastHeard = Date.now();
  if (message.message_type === 'heartbeat') {
    heartbeats += 1;
  } else if (message.message_type === 'certificate_update') {
    const index = message.data.cert_index, log = message.data.source.url;
    if (due.has(log) && index !== due.get(log)) faults.push(`${log}: index ${index} where ${due.get(log)} was due`);
    due.set(log, index + 1);
    updates += 1;
  } else {
    faults.push(`unknown message_type ${message.message_type}`);
  }
});
console.log = () => {}; // the package tells of its connection there
client.connect(url);
client.ws.on('close', code => faults.push(`closed by the server with code ${code}`));
client.ws.on('error', error => faults.push(`error: ${error.message}`));

setTimeout(() => {
  const elapsed = (Date.now() - started) / 1000;
  if (due.size !== 2) faults.push(`${due.size} logs in place of the demo's two`);
  if (updates === 0) faults.push('no certificate_update came');
  if (heartbeats === 0 && elapsed > 11) faults.push('no heartbeat came');
  if (Date.now() - lastHeard > 5000) faults.push('nothing came for the last 5 s');
  process.stdout.write(JSON.stringify({
    client: `npm certstream ${version}`,
    seconds: Number(elapsed.toFixed(1)),
    certificate_updates: updates,
    heartbeats,
    logs: due.size,
    faults: faults.slice(0, 5),
  }) + '\n', () => process.exit(faults.length === 0 ? 0 : 1));
}, Number(seconds) * 1000);
