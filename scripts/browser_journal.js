'use strict';
// What the front page shows of the journal, and of a server and logs in trouble, as scripts/browser.sh says:
//
//   browser_journal.js LOGS_URL LOGS_PID FOLDER
//
// A demo at LOGS_URL, the process LOGS_PID, has the logs. The server that is looked at, SERVER, keeps its state in FOLDER.
const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: pause } = require('node:timers/promises');
const { look, only, end, number, firstRow, moves } = require('./browser_lib.js');

const [logsUrl, logsPid, folder] = process.argv.slice(2);
// The page notices a silence of 2.5 heartbeats, but not less than 5 s, and connects again after 4, but not less than 10 s.
const HEARTBEAT_S = 2, SILENT_MS = 5000, LOG_PATIENCE_S = 15;
const TROUBLE = /WebSocket|Failed to load resource|ERR_/;

let server, port;

const json = async (from, name) => (await fetch(new URL(name, from))).json();
const status = () => json(`http://127.0.0.1:${port}/`, 'status.json');
const logs = signal => process.kill(Number(logsPid), signal);

async function until(what, holds, ms = 30000) {
  for (const begin = Date.now(); !await holds().catch(() => false); await pause(50)) {
    assert.ok(Date.now() - begin < ms, `${what}: not within ${ms} ms`);
  }
}

async function writeConfiguration() {
  const [log] = (await json(logsUrl, 'status.json')).logs.filter(log => log.protocol === 'rfc6962');
  port = Number(execFileSync('python3', [path.join(__dirname, 'free_port.py')]));
  fs.writeFileSync(path.join(folder, 'certstream.toml'), `
[server]
listen = "127.0.0.1:${port}"
[state]
dir = "${folder}/state"
[heartbeat]
interval = "${HEARTBEAT_S}s"
[health]
log_patience = "${LOG_PATIENCE_S}s"
[log_list]
enabled = false
[[logs]]
url = "${log.url}"
start = 0
`);
}

async function start() {
  const out = fs.openSync(path.join(folder, 'log'), 'a');
  const { PORT, ...environment } = process.env;
  server = spawn(process.env.SERVER, ['--config', path.join(folder, 'certstream.toml')],
                 { env: environment, stdio: ['ignore', out, out] });
  fs.closeSync(out);
  server.ended = new Promise(done => server.once('exit', done));
  await until('the server starts', status);
}

async function stop(signal) {
  server.kill(signal);
  await server.ended;
}

// The logs stand still, and the server has all that they have.
async function standStill() {
  logs('SIGSTOP');
  for (let [before, now] = [-1, 0]; before !== now; await pause(1500)) {
    [before, now] = [now, (await status()).journal.newest_seq];
  }
}

// All numbers of the journal behind `cursor`.
async function numbersAfter(cursor) {
  const text = await (await fetch(`http://127.0.0.1:${port}/ndjson?stream=lite&follow=0&cursor=${cursor}`)).text();
  return text.split('\n').filter(Boolean).map(line => JSON.parse(line)).filter(m => m.seq && m.data).map(m => m.seq);
}

const state = page => page.textContent('#state');
const stateIs = (page, pattern, timeout = 30000) =>
  page.waitForFunction(source => new RegExp(source).test(document.querySelector('#state').textContent), pattern.source,
                       { timeout });
const isGreen = page => page.$eval('#state', element => element.className === 'open');
const rowNumbers = page =>
  page.evaluate(() => [...document.querySelectorAll('#feed tr')].map(tr => shown.get(tr).message.seq));
// How high the chart is at the newest seconds, and at its highest place.
const chart = page => page.$eval('#line', line => {
  const heights = [...(line.getAttribute('d') || '').matchAll(/,([\d.]+)/g)].map(([, y]) => 88 - Number(y));
  return { seconds: heights.length, newest: heights.slice(-2), most: Math.max(...heights) };
});

// With thousands of entries in the journal and no new one.
async function isFullAtOnce(page) {
  await page.waitForFunction(() => document.querySelectorAll('#feed tr').length === 30, null, { timeout: 10000 });
  await page.waitForFunction(() => document.querySelector('#line').getAttribute('d')?.split('L').length === 300, null,
                             { timeout: 10000 });
  assert.ok((await chart(page)).most > 50, 'the chart is empty');
  const { journal } = await status();
  const newest = Array.from({ length: 30 }, (_, i) => journal.newest_seq - i);
  assert.deepEqual(await rowNumbers(page), newest);
  assert.equal(await number(page, '#total'), 0, 'nothing has come since');
  assert.match(await page.textContent('#reach'), /oldest kept: .*\d\d:\d\d:\d\d/);
}

async function readsBackToTheFirst(page) {
  const { journal } = await status();
  const seen = new Set();
  await page.click('#older');
  await page.waitForFunction(() => back.isListed && !back.reading);
  for (let last = Infinity; !/this is the oldest/.test(await page.textContent('#reach'));) {
    const rows = await rowNumbers(page);
    rows.forEach(seq => seen.add(seq));
    assert.ok(rows.length <= 1000, `${rows.length} rows`);
    assert.deepEqual(rows, [...new Set(rows)].sort((a, b) => b - a), 'newest first, each once');
    await page.$eval('#feed-scroll', scroll => { scroll.scrollTop = scroll.scrollHeight; });
    await page.waitForFunction(last => back.before < last && !back.reading, last);
    last = rows.at(-1);
  }
  (await rowNumbers(page)).forEach(seq => seen.add(seq));
  const all = [...seen].sort((a, b) => a - b);
  assert.deepEqual([all[0], all.at(-1)], [journal.oldest_seq, journal.newest_seq]);
  assert.equal(all.length, journal.newest_seq - journal.oldest_seq + 1, 'entries are left out');
  assert.ok(await page.isDisabled('#older'));
}

// A filter finds what is far back, and goes on from where reading began.
async function findsTheFirstByItsName(page) {
  const name = await page.evaluate(() => {
    const seen = [...document.querySelectorAll('#feed tr')].map(tr => shown.get(tr).message.data.leaf_cert.all_domains[0]);
    return seen.reverse().find(Boolean);
  });
  const { journal } = await status();
  await page.evaluate(name => addTerm(['contains', name]), name);
  await page.waitForFunction(() => isFiltered() && isOpen && back.isListed && !back.reading);
  while (await page.isEnabled('#older')) {
    await page.click('#older');
    await page.waitForFunction(() => !back.reading);
  }
  const all = await page.evaluate(() => [...document.querySelectorAll('#feed tr')].map(tr => shown.get(tr).names));
  const has = names => names.some(other => other.toLowerCase().includes(name.toLowerCase()));
  assert.ok(all.length > 0 && all.every(has), `${name}: ${all}`);
  assert.ok((await rowNumbers(page)).at(-1) < journal.oldest_seq + 600);
  await page.fill('#filter', '');
  await page.waitForFunction(() => !isFiltered() && isOpen && document.querySelectorAll('#feed tr').length >= 50);
}

// New rows push nothing away that is being read, and there is a way back to them.
async function staysWhereItIsRead(page) {
  await page.click('#to-live');
  assert.equal(await page.locator('#feed tr').count(), 30);
  await page.$eval('#feed-scroll', scroll => { scroll.scrollTop = 120; });
  await page.waitForSelector('#pause[aria-pressed=true]');
  const [before, counted] = [await rowNumbers(page), await number(page, '#total')];
  logs('SIGCONT');
  await page.waitForFunction(counted => Number(document.querySelector('#total').textContent.replace(/\D/g, '')) > counted,
                             counted);
  await page.waitForTimeout(1500);
  assert.deepEqual(await rowNumbers(page), before);
  await page.click('#to-live');
  await page.waitForFunction(() => !back && document.querySelectorAll('#feed tr').length === 30);
  assert.ok((await rowNumbers(page))[0] > before[0]);
  await moves(page, await firstRow(page));
}

// With a filter that wants everything, notes the number of every entry that the page gets from now on. Returns the number
// after which they begin, and how many the page had counted up to it. All in one step: entries come between two.
async function noteNumbers(page) {
  await page.fill('#filter', 'type=precert type=x509');
  await page.waitForFunction(() => isFiltered() && isOpen && !mustFill && !filling);
  return page.evaluate(() => {
    const add = addToFeed;
    window.noted = [];
    addToFeed = entry => { noted.push(entry.message.seq); add(entry); };
    return { seq: newest, total: total - (counted - newest), off: 0 };
  });
}

// What the page got since `begin` is what the journal has: nothing twice, nothing missing, all counted.
// Where numbers jumped, the positions in the logs say how many entries there were, up to what was under way (`tolerance`).
async function gotAll(page, begin, tolerance = 0) {
  await standStill();
  const sent = await numbersAfter(begin.seq);
  await until('the page has everything', async () => (await page.evaluate(() => newest)) >= sent.at(-1));
  assert.deepEqual(await page.evaluate(() => noted), sent);
  await page.waitForTimeout(1100);
  const off = await number(page, '#total') - begin.total - sent.length;
  assert.ok(Math.abs(off - begin.off) <= tolerance, `the total is off by ${off}, and was by ${begin.off}`);
  begin.off = off;
  logs('SIGCONT');
  return sent;
}

async function goesOnAfterACrash(page, problems, begin) {
  only(problems, /^$/);
  await page.waitForFunction(() => noted.length > 100);
  await stop('SIGKILL');
  await stateIs(page, /^connection lost/, 5000);
  await figuresAreUnknown(page);
  await page.waitForTimeout(3000);
  const during = await chart(page);
  assert.deepEqual(during.newest, [0, 0], 'the chart goes on during an outage');
  assert.ok(during.most > 0);
  await start();
  await stateIs(page, /^live$/);
  await figuresAreKnown(page);
  only(problems, TROUBLE);
  const sent = await gotAll(page, begin, 1000);
  assert.ok(sent.some((seq, i) => i > 0 && seq - sent[i - 1] > 10000), 'the numbers did not jump');
}

// Longer after the start than a client without a cursor is sent what it has missed.
async function goesOnAfterALostConnection(page, begin) {
  await until('a while after the start', async () => (await status()).uptime_seconds > 12);
  const before = await page.evaluate(() => { leaveSocket(); return newest; });
  await until('a thousand entries', async () => (await status()).journal.newest_seq - before > 1000);
  await page.evaluate(() => connect());
  await stateIs(page, /^live$/);
  await gotAll(page, begin);
}

async function figuresAreUnknown(page) {
  await page.waitForFunction(() => ['rate', 'delivering', 'clients'].every(id => document.getElementById(id).textContent === '–'),
                             null, { timeout: 8000 });
  assert.equal(await page.textContent('#uptime'), '');
  assert.equal(await page.getAttribute('#logs-table', 'class'), 'stale');
  assert.match(await page.textContent('#logs-note'), /The server does not say how it is: .*\d+ s ago/);
}

async function figuresAreKnown(page) {
  await page.waitForFunction(() => ['rate', 'delivering', 'clients'].every(id => /\d/.test(document.getElementById(id).textContent)));
  assert.match(await page.textContent('#uptime'), /up for \d/);
  assert.notEqual(await page.getAttribute('#logs-table', 'class'), 'stale');
}

async function noticesAFrozenServer(page, problems) {
  server.kill('SIGSTOP');
  await stateIs(page, /^no word from the server for \d+ s$/, SILENT_MS + 3000);
  assert.equal(await isGreen(page), false);
  await figuresAreUnknown(page);
  await stateIs(page, /^connection lost, no word from the server for \d+ s, trying again$/, 12000);
  server.kill('SIGCONT');
  await stateIs(page, /^live$/);
  assert.ok(await isGreen(page));
  await figuresAreKnown(page);
  only(problems, TROUBLE);
}

// Without a filter, a page that was away for long goes on with the newest entries, and counts all.
async function skipsWhatIsTooMuch(page, problems) {
  await page.fill('#filter', '');
  await page.waitForFunction(() => !isFiltered() && isOpen && !mustFill && !filling);
  const { begin, counted } = await page.evaluate(() => {
    noted = [];
    leaveSocket();
    return { begin: newest, counted: total - (counted - newest) };
  });
  await until('thousands of entries', async () => (await status()).journal.newest_seq - begin > 6000, 60000);
  await page.evaluate(() => { connect(); });
  await stateIs(page, /^live$/);
  await standStill();
  const sent = await numbersAfter(begin);
  await until('the page has counted the newest', async () => (await page.evaluate(() => counted)) >= sent.at(-1));
  const got = await page.evaluate(() => noted);
  assert.ok(sent.length > 5000 && got.length < 1000, `${got.length} of ${sent.length}`);
  await page.waitForTimeout(1100);
  assert.equal(await number(page, '#total') - counted, sent.length, 'all are counted');
  assert.ok((await rowNumbers(page)).every(seq => seq > begin));
  logs('SIGCONT');
  only(problems, TROUBLE);
}

async function saysThatTheStatusFails(page, problems) {
  await page.route('**/status.json', route => route.fulfill({ status: 503, body: '' }));
  await stateIs(page, /^connected; the server does not say how it is: it answers with status 503$/, 5000);
  assert.equal(await isGreen(page), false);
  await figuresAreUnknown(page);
  await until('the chart shows what comes all the same', async () => Math.max(...(await chart(page)).newest) > 0);
  await page.unroute('**/status.json');
  await stateIs(page, /^live$/);
  only(problems, TROUBLE);
}

async function saysThatReadingFails(page, problems) {
  const refuse = route => route.fulfill({ status: 429, json: { error: 'too many connections' } });
  await page.route('**/ndjson?*', refuse);
  await page.click('#older');
  await page.waitForFunction(() => /does not give older ones: too many/.test(document.querySelector('#reach').textContent));
  await page.unroute('**/ndjson?*');
  await page.click('#older');
  await page.waitForFunction(() => back.isListed && !back.reading && !back.problem);
  await page.click('#to-live');
  only(problems, TROUBLE);
}

async function saysThatNoLogDelivers(page) {
  await moves(page, await firstRow(page));
  logs('SIGTERM');
  await stateIs(page, /^connected; no log delivers since .*\d\d:\d\d:\d\d$/, (LOG_PATIENCE_S + 10) * 1000);
  assert.equal(await isGreen(page), false);
  assert.match(await page.textContent('#delivering'), /^0 \/ 1$/);
  assert.equal(await number(page, '#rate'), 0);
}

async function see(page, problems) {
  await isFullAtOnce(page);
  await readsBackToTheFirst(page);
  await findsTheFirstByItsName(page);
  await staysWhereItIsRead(page);
  const begin = await noteNumbers(page);
  await goesOnAfterACrash(page, problems, begin);
  await goesOnAfterALostConnection(page, begin);
  await noticesAFrozenServer(page, problems);
  await gotAll(page, begin);
  await skipsWhatIsTooMuch(page, problems);
  await saysThatTheStatusFails(page, problems);
  await saysThatReadingFails(page, problems);
  await saysThatNoLogDelivers(page);
}

async function main() {
  await writeConfiguration();
  await start();
  try {
    await until('thousands of entries', async () => (await status()).journal.newest_seq - (await status()).journal.oldest_seq > 2000);
    await standStill();
    await look(`http://127.0.0.1:${port}/`, see);
  } finally {
    server.kill('SIGKILL');
  }
}

main().catch(end);
