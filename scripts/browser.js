'use strict';
// Looks at the front page as scripts/browser.sh says: browser.js busy|whole|names|token URL [DOWN UP [PICTURE]]
const assert = require('node:assert/strict');
const fs = require('node:fs');
const { look, only, end, number, firstRow, moves, quickestPause } = require('./browser_lib.js');

const [what, url, down, up, picture] = process.argv.slice(2);

async function see(page, problems) {
  if (what === 'token') await asksForAToken(page, problems);
  else await page.waitForFunction(() => document.querySelectorAll('#feed tr').length >= 3);
  if (what === 'busy') await busy(page);
  if (what === 'whole') await whole(page, problems);
  if (what === 'names') await readsNamesBack(page);
}

// A thousand certificates a second, or as many as this machine makes: all are counted, and the page can be used.
async function busy(page) {
  const ask = () => page.evaluate(async () => {
    const { logs } = await (await fetch('status.json')).json();
    const shown = document.querySelector('#total').textContent;
    return [Number(shown.replace(/\D/g, '')), logs.reduce((sum, log) => sum + log.position, 0)];
  });
  await page.waitForTimeout(3000);
  const [counted, sent] = await ask();
  await page.waitForTimeout(8000);
  const [countedLater, sentLater] = await ask();
  const share = (countedLater - counted) / (sentLater - sent);
  assert.ok(share > 0.7 && share < 1.3, `the page counted ${share} of what was sent`);
  const rate = await number(page, '#rate');
  assert.ok(rate > 100, `${rate} certificates a second are shown`);
  const took = await quickestPause(page);
  assert.ok(took < 1000, `a click took ${took} ms`);
  assert.ok(await page.locator('#feed tr').count() <= 30);
  console.log(`busy: ${rate} certificates a second, a click in ${took} ms`);
}

async function whole(page, problems) {
  await feedMoves(page);
  await pausePauses(page);
  await certificateOpens(page);
  await hostileNamesAreShown(page);
  await logsAreThere(page);
  await samplesAreOfThisHost(page);
  await chartIsDrawn(page);
  if (picture) await takePicture(page);
  await phone(page);
  await comesBack(page, problems);
}

async function feedMoves(page) {
  await moves(page, await firstRow(page));
  assert.equal(await page.textContent('#state'), 'live');
}

async function pausePauses(page) {
  await page.keyboard.press('p');
  const [before, counted] = [await firstRow(page), await number(page, '#total')];
  await page.waitForTimeout(2500);
  assert.equal(await firstRow(page), before, 'the feed moves though it is paused');
  assert.ok(await number(page, '#total') > counted, 'what comes while it is paused is not counted');
  await page.click('#pause');
  await moves(page, before);
}

async function certificateOpens(page) {
  await page.click('#pause');
  // Some certificates have no name.
  const row = '#feed tr:has(.registrable)';
  await page.focus(row);
  const names = await page.textContent(`${row} td:nth-child(3)`);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#details[open]');
  assert.equal(await page.textContent('#details-title'), names.split(' ')[0]);
  const facts = await page.textContent('#facts');
  for (const word of ['issuer', 'valid until', 'serial number', 'SHA-256', 'subjectAltName', 'log']) {
    assert.ok(facts.includes(word), `${word} is not among ${facts}`);
  }
  assert.equal(JSON.parse(await page.textContent('#raw')).message_type, 'certificate_update');
  await page.keyboard.press('Escape');
  await page.waitForSelector('#details', { state: 'hidden' });
  await page.click('#pause');
}

// A name that turns what follows around, one that hides, one that is a line of its own, and one of markup.
async function hostileNamesAreShown(page) {
  await page.click('#pause');
  const hostile = ['evil\u202egro.elpmaxe', 'hid\u200bden.example', 'two\nlines.example', '<img src=x>.example', 'עברית.example'];
  const shown = ['evil\\u{202e}gro.elpmaxe', 'hid\\u{200b}den.example', 'two\\u{a}lines.example', '<img src=x>.example',
                 'עברית.example'];
  await page.evaluate(names => {
    const name = { O: 'Issuer\u202e', CN: 'x', aggregated: '/O=Issuer\u202e/CN=x\u{e0041}' };
    const leaf = { all_domains: names, issuer: name, subject: name, not_before: 0, not_after: 0, serial_number: '1', sha256: '',
                   signature_algorithm: '', extensions: { keyUsage: 'one\u2066\ntwo' } };
    const message = { data: { leaf_cert: leaf, seen: 0, update_type: 'X', cert_index: 0, source: { name: 'log\u061c' } } };
    document.querySelector('#feed').prepend(row(described(message)));
    const log = { name: 'log\u202e', operator: 'operator\u200f', protocol: 'p', state: 'behind', url: 'https://x\u202e/',
                  pending: 0, behind_seconds: 0, tree_size: 0, last_error: 'error\u2067\n', position: 0 };
    document.querySelector('#empty').append(logRow(log, null));
  }, hostile);
  const cell = '#feed tr:first-child td:nth-child(3)';
  assert.deepEqual(await page.$$eval(`${cell} bdi`, names => names.map(name => name.textContent)), shown);
  const isolation = await page.$eval(`${cell} bdi`, name => getComputedStyle(name).unicodeBidi);
  assert.equal(isolation, 'isolate');
  await page.focus('#feed tr');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#details[open]');
  assert.equal(await page.textContent('#details-title'), shown[0]);
  const raw = await page.textContent('#raw');
  assert.ok(raw.includes('evil\\u202egro') && raw.includes('\\udb40\\udc41'), raw);
  assert.deepEqual(JSON.parse(raw).data.leaf_cert.all_domains, hostile, 'the message is whole');
  const all = await page.evaluate(() => document.body.innerText +
    [...document.querySelectorAll('[title]')].map(element => element.title).join(' '));
  assert.equal(all.search(/[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]/u), -1, all);
  await page.keyboard.press('Escape');
  await page.waitForSelector('#details', { state: 'hidden' });
  await page.evaluate(() => {
    document.querySelector('#feed tr').remove();
    document.querySelector('#empty').replaceChildren();
  });
  await page.click('#pause');
}

// Where a token is required, the page says so, asks for one, and does not reconnect until it has one.
async function asksForAToken(page, problems) {
  await page.waitForSelector('#token-form', { state: 'visible' });
  assert.equal(await page.textContent('#state'), 'a token is required');
  assert.match(await page.textContent('#token-text'), /a token is required/);
  let sockets = 0;
  page.on('websocket', () => sockets++);
  await page.waitForTimeout(3000);
  assert.equal(sockets, 0, 'it tries again without a token');
  await page.fill('#token', 'this-is-not-the-token');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /unknown token/.test(document.querySelector('#token-text').textContent));
  assert.equal(await page.textContent('#state'), 'the token is not accepted');
  await page.fill('#token', process.env.TOKEN);
  await page.click('#token-form button');
  await page.waitForFunction(() => document.querySelector('#state').textContent === 'live');
  await page.waitForSelector('#token-form', { state: 'hidden' });
  await page.waitForFunction(() => document.querySelectorAll('#feed tr').length >= 3);
  await readsBack(page);
  assert.ok(!page.url().includes('token'), 'the token is in the address');
  assert.ok((await page.textContent('#code')).includes('YOUR_TOKEN'));
  assert.ok(!(await page.content()).includes(process.env.TOKEN));
  only(problems, /WebSocket connection|401/);
}

// More rows than come by themselves.
async function readsBack(page) {
  await page.waitForFunction(() => server.journal.newest_seq - server.journal.oldest_seq > 60);
  await page.click('#older');
  await page.waitForFunction(() => back.isListed && !back.reading);
  assert.ok(await page.locator('#feed tr').count() > 30, await page.textContent('#reach'));
}

// Where names alone are offered, nothing says when those of the journal were seen.
async function readsNamesBack(page) {
  await readsBack(page);
  const cells = await page.$$eval('#feed tr', rows => rows.map(tr => [...tr.cells].map(td => td.textContent)));
  assert.ok(cells.every(([seen, type, names, , issuer]) => names && !seen && !type && !issuer), JSON.stringify(cells));
  await page.focus('#feed tr');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#details[open]');
  assert.equal(JSON.parse(await page.textContent('#raw')).message_type, 'dns_entries');
  await page.keyboard.press('Escape');
  await page.click('#to-live');
  await moves(page, await firstRow(page));
}

async function logsAreThere(page) {
  await page.waitForFunction(() => document.querySelectorAll('#logs td.delivering').length === 2);
  const logs = await page.textContent('#logs');
  for (const text of ['Demo RFC 6962 log', 'Demo static log', 'rfc6962', 'static-ct']) assert.ok(logs.includes(text));
  assert.ok(await number(page, '#clients') >= 1);
  // The rate of a log needs two looks.
  await page.waitForFunction(() => Number(document.querySelector('#logs tr td:nth-child(7)').textContent) > 0);
}

async function samplesAreOfThisHost(page) {
  const seen = [];
  await page.focus('#tabs [role=tab]');
  for (let i = 0; i < 5; i++) {
    seen.push(await page.textContent('#tabs [aria-selected=true]'));
    const code = await page.textContent('#code');
    assert.ok(code.includes(new URL(url).host), `${seen.at(-1)}: ${code}`);
    await page.keyboard.press('ArrowRight');
  }
  assert.deepEqual(seen, ['Python', 'JavaScript', 'Go', 'Rust', 'Shell']);
  assert.equal(await page.textContent('#tabs [aria-selected=true]'), 'Python', 'around the end');
  await page.click('#copy');
  await page.waitForFunction(() => /Copied|Selected/.test(document.querySelector('#copy').textContent));
}

async function chartIsDrawn(page) {
  await page.waitForFunction(() => (document.querySelector('#line').getAttribute('d') || '').split('L').length > 5);
  assert.match(await page.textContent('#chart-text'), /now \d+, at most \d+/);
}

async function takePicture(page) {
  await page.fill('#filter', 'contains=shop type=precert');
  await page.mouse.move(2, 2); // no row rests
  await page.waitForTimeout(60000); // for something to be seen in the chart
  await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
  await page.waitForTimeout(500);
  await page.screenshot({ path: picture });
  await page.fill('#filter', '');
  await page.waitForFunction(() => !isFiltered() && isOpen);
}

async function phone(page) {
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 360, height: 740 });
    await page.waitForTimeout(300);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `the page is ${wide} wide on a phone of 360`);
  }
  await page.setViewportSize({ width: 1280, height: 1000 });
}

// The server is stopped and started again; errors of that are none of the page's.
async function comesBack(page, problems) {
  assert.deepEqual(problems, []);
  await page.mouse.move(2, 2); // no row rests
  fs.writeFileSync(down, '');
  await page.waitForFunction(() => document.querySelector('#state').textContent.includes('lost'));
  while (!fs.existsSync(up)) await page.waitForTimeout(100);
  await page.waitForFunction(() => document.querySelector('#state').textContent === 'live');
  await moves(page, await firstRow(page));
  only(problems, /WebSocket connection|Failed to load resource|ERR_CONNECTION/);
}

look(url, see).catch(end);
