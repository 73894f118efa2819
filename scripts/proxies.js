'use strict';
// Pages that receive streams through proxies, for scripts/proxies.sh: proxies.js SERVER FOLDER NAME=URL...
//
// A page of each proxy has clients of each wire: EventSource, WebSocket, and fetch for lines. Some want everything, some little,
// and some nothing. None may lose its connection or wait for its messages. Then the script restarts the proxies, and after that
// the server, and each client must come back, and in the end have every message once. The files in FOLDER say how far it is:
// `settled`, `back-1` and `back-2` are written here; `end` is written by the script when there will be no new messages.
const { chromium } = require('playwright-core');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { PATIENCE, end } = require('./browser_lib.js');

const [server, folder, ...proxies] = process.argv.slice(2);

const SETTLE = 8000; // longer than two of the proxies' time-outs
const LATE = 3000; // on a busy machine; what a proxy keeps back comes later still
const CLIENTS = {
  everything: { query: '', wires: ['sse', 'websocket', 'ndjson'] },
  little: { query: 'sample=50', wires: ['sse'] },
  nothing: { query: 'domain=nothing.invalid', wires: ['sse', 'websocket', 'ndjson'] },
};

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const say = name => fs.writeFileSync(path.join(folder, name), '');
const isSaid = name => fs.existsSync(path.join(folder, name));

async function until(what, condition) {
  for (const due = Date.now() + PATIENCE; !await condition(); await sleep(100)) {
    if (Date.now() > due) throw new Error(`it took too long: ${what}`);
  }
}

// In the page: a client for each of `wanted`, in `clients`.
function connectAll(wanted) {
  window.clients = wanted.map(({ name, wire, query }) => {
    const client = { name, wire, query, numbers: [], times: [], heartbeats: 0, latest: 0, opened: 0, isOpen: false, gaveUp: false };
    const opened = () => { client.opened++; client.isOpen = true; client.since ??= Date.now(); };
    const lost = () => { client.isOpen = false; };
    const take = message => {
      if (message.message_type === 'heartbeat') {
        client.heartbeats++;
        client.latest = Math.max(client.latest, Date.now() - 1000 * message.timestamp);
      } else {
        client.numbers.push(message.seq);
        client.times.push(Date.now());
      }
      client.cursor = message.seq;
    };
    // An EventSource comes back by itself, with Last-Event-ID. The others do it here.
    const again = connect => { lost(); setTimeout(connect, 500); };
    const address = route => `${route}?stream=domains&${query}${client.cursor ? `&cursor=${client.cursor}` : ''}`;
    const connect = {
      sse() {
        const source = new EventSource(address('/sse'));
        source.onopen = opened;
        source.onmessage = event => take(JSON.parse(event.data));
        source.onerror = () => { lost(); client.gaveUp = source.readyState === EventSource.CLOSED; };
      },
      websocket() {
        const socket = new WebSocket(`${location.origin.replace('http', 'ws')}${address('/')}`);
        socket.onopen = opened;
        socket.onmessage = event => take(JSON.parse(event.data));
        socket.onclose = () => again(connect.websocket);
      },
      async ndjson() {
        try {
          const response = await fetch(address('/ndjson'));
          if (!response.ok) throw new Error(`status ${response.status}`);
          client.encoding = response.headers.get('content-encoding');
          opened();
          const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
          for (let rest = '', part; !(part = await reader.read()).done;) {
            const lines = (rest + part.value).split('\n');
            rest = lines.pop();
            lines.forEach(line => take(JSON.parse(line)));
          }
        } catch { /* the connection is lost, as at its end */ }
        again(connect.ndjson);
      },
    };
    connect[wire]();
    return client;
  });
}

// When each message came to a client without a proxy.
async function withoutProxy(times) {
  const response = await fetch(`${server}ndjson?stream=domains`);
  let rest = '';
  try {
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split('\n');
      rest = lines.pop();
      for (const line of lines) times.set(JSON.parse(line).seq, Date.now());
    }
  } catch (error) {
    if (!isSaid('back-1')) throw error; // later, the server is stopped
  }
}

async function open(browser, [name, url]) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${url}health`);
  const wanted = Object.entries(CLIENTS).flatMap(([what, { query, wires }]) =>
    wires.map(wire => ({ name: `${name}, ${wire}, ${what}`, wire, query })));
  await page.evaluate(`(${connectAll})(${JSON.stringify(wanted)})`);
  return page;
}

const clientsOf = async pages => (await Promise.all(pages.map(page => page.evaluate(() => clients)))).flat();

// Before anything is restarted: no connection was lost, and nothing was kept back.
function hasSettled(client, direct) {
  const faults = [];
  if (client.opened !== 1 || !client.isOpen) faults.push(`connected ${client.opened} times`);
  const wantsNothing = client.name.endsWith('nothing');
  // There is one each second.
  const due = (Date.now() - client.since) / 1000 - 2;
  if (client.wire !== 'sse' && client.heartbeats < due) faults.push(`${client.heartbeats} heartbeats`);
  if (client.latest > LATE) faults.push('a heartbeat was kept back');
  if (wantsNothing !== (client.numbers.length === 0)) faults.push(`${client.numbers.length} messages`);
  const delays = client.numbers.map((seq, at) => client.times[at] - direct.get(seq)).filter(delay => !isNaN(delay)).sort((a, b) => a - b);
  if (!wantsNothing && delays.length < 5) faults.push(`${delays.length} messages also came without the proxy`);
  if (delays.at(-1) > LATE) faults.push('a message was kept back');
  report(client, {
    messages: client.numbers.length, heartbeats: client.heartbeats, heartbeat_latest_ms: Math.round(client.latest),
    median_ms: delays[delays.length >> 1], latest_ms: delays.at(-1), encoding: client.encoding,
  }, faults);
}

// The numbers of the messages that the journal has.
async function journal(query) {
  const text = await (await fetch(`${server}ndjson?stream=domains&follow=0&${query}`)).text();
  const messages = text.split('\n').filter(line => line).map(line => JSON.parse(line));
  return messages.filter(message => message.message_type === 'dns_entries').map(message => message.seq);
}

// In the end: each message that the journal has, once and in order, from the client's first on.
async function isComplete(client) {
  const kept = await journal(client.query);
  const expected = client.numbers.length ? kept.slice(kept.indexOf(client.numbers[0])) : [];
  const received = new Set(client.numbers);
  const missing = expected.filter(seq => !received.has(seq)).length, repeated = client.numbers.length - received.size;
  const faults = [];
  if (JSON.stringify(client.numbers) !== JSON.stringify(expected)) faults.push('not every message once and in order');
  if (client.opened !== 3) faults.push(`connected ${client.opened} times in place of 3`);
  report(client, { messages: client.numbers.length, missing, repeated, connections: client.opened }, faults);
}

let isFaulty = false;

function report(client, what, faults) {
  isFaulty ||= faults.length > 0;
  console.log(JSON.stringify({ client: client.name, ...what, faults }));
}

async function main() {
  const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ['--no-sandbox'] });
  try {
    const direct = new Map();
    const listening = withoutProxy(direct);
    const pages = await Promise.all(proxies.map(proxy => open(browser, proxy.split('='))));
    await Promise.race([sleep(SETTLE), listening]);
    (await clientsOf(pages)).forEach(client => hasSettled(client, direct));
    assert.ok(!isFaulty, 'see above');
    say('settled');
    for (const round of [1, 2]) {
      let clients;
      await until(`clients come back: ${round}`, async () => {
        clients = await clientsOf(pages);
        assert.deepEqual(clients.filter(client => client.gaveUp).map(client => client.name), [], 'they gave up');
        return clients.every(client => client.isOpen && client.opened > round);
      }).catch(error => {
        const away = clients.filter(client => !client.isOpen || client.opened <= round).map(client => client.name);
        throw new Error(`${error.message}; away: ${away}`);
      });
      say(`back-${round}`);
    }
    await until('the logs stop', () => isSaid('end'));
    const newest = (await journal('')).at(-1);
    const haveAll = clients => clients.every(client => client.query || client.numbers.at(-1) === newest);
    await until('everything is received', async () => haveAll(await clientsOf(pages))).catch(console.error);
    for (const client of await clientsOf(pages)) await isComplete(client);
    assert.ok(!isFaulty, 'see above');
  } finally {
    await browser.close();
  }
}

main().then(() => process.exit(0), end);
