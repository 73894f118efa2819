'use strict';
// What the front page shows of a busy server, with a filter and without, as scripts/browser.sh says:
//
//   browser_filter.js URL
const assert = require('node:assert/strict');
const fs = require('node:fs');
const { PATIENCE, look, watch, only, end, isAccessible, firstRow, moves, quickestPause } = require('./browser_lib.js');

const url = process.argv[2];

const filterIs = (page, text) => page.waitForFunction(
  text => applied !== null && formatTerms(applied) === text && isOpen && !mustFill && !filling && filled !== null, text);

async function setFilter(page, text, understood = text) {
  await page.fill('#filter', text);
  await filterIs(page, understood);
}

async function ndjson(parameters) {
  const answer = await fetch(new URL(`ndjson?${new URLSearchParams({ stream: 'lite', ...parameters })}`, url));
  const lines = (await answer.text()).split('\n').filter(Boolean).map(line => JSON.parse(line));
  return answer.ok ? lines.filter(line => line.data) : lines[0];
}

// What the table has, and which part of the journal it is about, in one step.
const table = page => page.evaluate(() => {
  show();
  return { seqs: [...document.querySelectorAll('#feed tr')].map(tr => shown.get(tr).message.seq), newest, from: filled.before,
           matched: matched + earlier };
});

const namesOfRows = page => page.evaluate(
  () => [...document.querySelectorAll('#feed tr')].map(tr => shown.get(tr).message.data.leaf_cert.all_domains));

// The rows are exactly what the server finds with the same parameters, or the newest thousand of that.
async function hasEveryMatch(page, filter) {
  const { seqs, newest, from, matched } = await table(page);
  const sent = await ndjson({ ...filter, cursor: from - 1, before: newest + 1 });
  assert.deepEqual(seqs, sent.map(message => message.seq).reverse().slice(0, 1000), 'rows and matches differ');
  assert.equal(matched, sent.length);
  return seqs;
}

// How many messages come in `ms`.
async function messagesIn(page, ms) {
  await page.evaluate(() => {
    const real = window.realReceive ??= receive;
    window.received = 0;
    receive = message => { window.received++; real(message); };
  });
  await page.waitForTimeout(ms);
  return page.evaluate(() => window.received);
}

async function showsAReadableSample(page) {
  await page.waitForFunction(() => server?.entries_per_second.counts.slice(-10).every(count => count > 0)); // a mean of them
  const rate = await page.evaluate(() => {
    const counts = server.entries_per_second.counts.slice(-10);
    return counts.reduce((sum, n) => sum + n, 0) / counts.length;
  });
  const perSecond = await messagesIn(page, 4000) / 4;
  assert.ok(perSecond > 2 && perSecond < 35, `${perSecond} messages a second at ${rate} certificates a second`);
  assert.match(await page.textContent('#matches'), /^one in [\d,.]+ certificates is shown$/);
  assert.ok(await page.evaluate(() => recent.slice(-3).every(({ message }) => message.seq % sample === 0)));
  await moves(page, await firstRow(page));
  console.log(`sample: ${perSecond} messages a second at ${Math.round(rate)} certificates a second`);
}

async function showsEveryMatch(page) {
  await page.keyboard.press('/');
  await page.keyboard.type('LOGIN');
  await filterIs(page, 'contains=LOGIN');
  assert.ok((await table(page)).seqs.length > 0, 'it was not filled from the journal');
  await page.waitForTimeout(3000);
  const seqs = await hasEveryMatch(page, { contains: 'login' });
  assert.ok(seqs.length > 30, `only ${seqs.length} matches`);
  assert.ok((await namesOfRows(page)).every(names => names.some(name => name.includes('login'))));
  const marked = await page.$$eval('#feed tr', rows =>
    rows.map(tr => [...tr.querySelectorAll('mark')].map(mark => mark.textContent).join()));
  assert.ok(marked.every(text => text === 'login'), marked.join(' '));
  const why = await page.$$eval('#feed .why', lines => lines.map(line => line.textContent));
  assert.deepEqual([...new Set(why)], ['contains=login']);
  assert.match(await page.textContent('#matches'), /^[\d,.]+ match(es)? since the filter was set, [\d,.]+ from the journal/);
}

async function excludes(page) {
  await setFilter(page, 'domain=example,test  contains=!login type:precert', 'domain=example,test contains=!login type=precert');
  await page.waitForTimeout(1000);
  await hasEveryMatch(page, { domain: 'example,test', contains: '!login', type: 'precert' });
}

async function keepsTheNewestThousand(page) {
  await setFilter(page, 'type=precert type=x509');
  await page.waitForFunction(() => document.querySelectorAll('#feed tr').length === 1000);
  await page.waitForTimeout(1000);
  const { seqs, newest } = await table(page);
  const sent = await ndjson({ last: 1000, before: newest + 1 });
  assert.deepEqual(seqs, sent.map(message => message.seq).reverse());
  const took = await quickestPause(page);
  assert.ok(took < 3000, `a click took ${took} ms`);
  console.log(`a thousand rows: a click in ${took} ms`);
  assert.match(await page.textContent('#matches'), /the newest 1,000 are kept/);
  await page.click('#pause');
}

async function saves(page) {
  await setFilter(page, 'lookalike=paylumen.example contains=paylumen');
  await page.waitForFunction(() => document.querySelectorAll('#feed tr').length > 2);
  await page.click('#pause');
  const { seqs } = await table(page);
  const filter = { lookalike: 'paylumen.example', contains: 'paylumen', explain: 1 };
  const sent = (await ndjson({ ...filter, cursor: seqs.at(-1) - 1, before: seqs[0] + 1 })).reverse();
  const lines = (await download(page, '#save-ndjson', /^certificates-[\dT-]+\.ndjson$/)).split('\n').filter(Boolean);
  assert.deepEqual(lines.map(line => JSON.parse(line)), sent, 'the lines are the messages');
  const csv = parseCsv((await download(page, '#save-csv', /^certificates-[\dT-]+\.csv$/)).replace(/^\ufeff/, ''));
  assert.deepEqual(csv[0].slice(0, 4), ['seq', 'seen', 'type', 'names']);
  const expected = sent.map(({ seq, data: { leaf_cert: leaf, source, cert_index } }) =>
    [String(seq), leaf.all_domains.join(' '), leaf.sha256, source.name, String(cert_index)]);
  const column = name => csv[0].indexOf(name);
  const wanted = ['seq', 'names', 'sha256', 'log', 'index'].map(column);
  assert.deepEqual(csv.slice(1).map(fields => wanted.map(i => fields[i])), expected);
  assert.match(csv[1][column('matched')], /contains=paylumen.*lookalike=paylumen.example \(.+\)|lookalike=.*contains=/);
  const fields = await page.evaluate(() => ['=1+1', '@x', 'a,"b"', 'x\u202ey'].map(csvField));
  assert.deepEqual(fields, ["'=1+1", "'@x", '"a,""b"""', 'x\\u{202e}y']);
  await page.click('#pause');
}

async function download(page, button, name) {
  const [file] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
  assert.match(file.suggestedFilename(), name);
  return fs.readFileSync(await file.path(), 'utf8');
}

function parseCsv(text) {
  const lines = text.split('\r\n').filter(Boolean);
  return lines.map(line => [...line.matchAll(/(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g)].slice(0, -1)
    .map(([, quoted, plain]) => quoted === undefined ? plain : quoted.replaceAll('""', '"')));
}

// Another page that is opened with the address shows the same.
async function isShared(page) {
  await setFilter(page, 'domain=test issuer=!"Let\'s Encrypt"');
  await page.waitForFunction(() => document.querySelectorAll('#feed tr').length > 5);
  await page.click('#pause');
  const title = (await namesOfRows(page))[3][0];
  await page.click('#feed tr:nth-child(4) td:first-child');
  await page.waitForSelector('#details[open]');
  const { seqs } = await table(page);
  assert.equal(await page.evaluate(() => location.hash),
               `#domain=test&issuer=!Let%27s%20Encrypt&paused=1&open=${seqs[3]}`);
  const second = await page.context().newPage();
  const problems = watch(second, url);
  second.setDefaultTimeout(PATIENCE);
  await second.goto(page.url());
  await second.waitForSelector('#details[open]');
  assert.ok((await second.textContent('#details-title')).includes(title.replace(/[^ -~].*/, '')));
  await second.keyboard.press('Escape');
  await filterIs(second, 'domain=test issuer=!"Let\'s Encrypt"');
  assert.equal(await second.inputValue('#filter'), 'domain=test issuer=!"Let\'s Encrypt"');
  assert.ok(await second.isVisible('#pause[aria-pressed=true]'));
  const before = await table(second);
  await second.waitForTimeout(1500);
  assert.ok(before.seqs.length > 5);
  assert.deepEqual((await table(second)).seqs, before.seqs, 'it was shared while it was paused');
  assert.ok(!second.url().includes('open='), 'a closed certificate is still in the address');
  await second.evaluate(() => { token = 'a-token-of-the-page'; });
  const copied = await second.evaluate(() => [linkToPage(), ...Object.values(samples())]);
  assert.ok(copied.every(text => !text.includes('a-token-of-the-page')));
  assert.equal(copied[0], `${url}#domain=test&issuer=!Let%27s%20Encrypt&paused=1`);
  const query = 'domain=test&issuer=!Let%27s%20Encrypt&token=YOUR_TOKEN';
  assert.ok(copied.slice(1).every(text => text.includes(query)), copied.join('\n'));
  await second.goto('about:blank');
  await second.goto(`${url}#open=17`);
  await second.waitForFunction(() => /does not have certificate 17 any more/.test(document.querySelector('#facts').textContent));
  assert.deepEqual(problems, []);
  await second.close();
  await page.keyboard.press('Escape');
  await page.click('#pause');
}

// The sample for a shell does what the page does.
async function curlSampleWorks(page) {
  const command = await page.evaluate(() => samples().curl);
  const { seqs } = await table(page);
  const [, address] = command.match(/^curl -sN '(.*)'$/);
  const answer = await fetch(`${address}&cursor=${seqs[2] - 1}&before=${seqs[0] + 1}`);
  const got = (await answer.text()).split('\n').filter(Boolean).map(line => JSON.parse(line).seq);
  assert.deepEqual(got.reverse(), seqs.slice(0, 3));
}

async function saysWhatIsWrong(page, problems) {
  await setFilter(page, 'contains=login');
  for (const [text, parameters] of [['regex=(', { regex: '(' }], ['domian=x', { domian: 'x' }], ['contains=', { contains: '' }]]) {
    await page.fill('#filter', text);
    await page.keyboard.press('Enter');
    const { message } = await ndjson({ ...parameters, last: 1 });
    await page.waitForFunction(message => document.querySelector('#filter-problem').textContent.endsWith(message), message);
    assert.equal(await page.getAttribute('#filter', 'aria-invalid'), 'true');
    await moves(page, await firstRow(page));
    await hasEveryMatch(page, { contains: 'login' });
  }
  assert.match(await page.textContent('#filter-problem'), /empty/);
  await page.fill('#filter', 'since=1h');
  await page.waitForFunction(() => /since is no filter/.test(document.querySelector('#filter-problem').textContent));
  await page.fill('#filter', 'contains=login');
  await page.waitForFunction(() => document.querySelector('#filter-problem').textContent === '');
  // A page that is opened with it shows nothing, rather than everything.
  const second = await page.context().newPage();
  await second.goto(`${url}#domian=example.com`);
  await second.waitForFunction(() => /did you mean domain/.test(document.querySelector('#filter-problem').textContent));
  await second.waitForTimeout(500);
  assert.deepEqual([await second.textContent('#state'), await second.locator('#feed tr').count()], ['the filter is refused', 0]);
  await second.fill('#filter', 'domain=example.com');
  await second.waitForFunction(() => document.querySelector('#state').textContent === 'live');
  await second.waitForSelector('#feed tr');
  await second.close();
  only(problems, /status of 400/);
}

async function chipsFilter(page) {
  await setFilter(page, '');
  await page.waitForFunction(() => document.querySelectorAll('#feed tr').length === 30);
  await page.click('#pause');
  const tld = await page.textContent('#feed td:nth-child(4) .chip');
  const issuer = await page.evaluate(tld => {
    const isIt = tr => tr.cells[3].textContent === tld && tr.cells[4].querySelector('.chip');
    const tr = [...document.querySelectorAll('#feed tr')].find(isIt);
    tr.cells[4].querySelector('.chip').click();
    return shown.get(tr).issuer;
  }, tld);
  await page.waitForFunction(() => isFiltered() && isOpen && !mustFill && !filling);
  await page.evaluate(tld => {
    const chips = [...document.querySelectorAll('#feed td:nth-child(4) .chip')];
    chips.find(chip => chip.textContent === tld).click();
  }, tld);
  const text = await page.evaluate(terms => formatTerms(terms), [['issuer', issuer], ['domain', tld]]);
  await filterIs(page, text);
  assert.equal(await page.inputValue('#filter'), text);
  await page.click('#pause');
  await page.waitForFunction(() => document.querySelectorAll('#feed tr').length > 0);
  await hasEveryMatch(page, { issuer, domain: tld });
  const found = await page.$$eval('#feed tr', rows => rows.map(tr => tr.querySelector('.found').textContent));
  assert.deepEqual([...new Set(found)], [issuer]);
}

// While somebody is at a row, nothing moves; what came meanwhile appears afterwards.
async function rowsStayWhileSomebodyIsThere(page) {
  await setFilter(page, 'contains=login');
  await page.waitForFunction(() => document.querySelectorAll('#feed tr').length > 20);
  const focused = [() => page.evaluate(() => document.querySelector('#feed tr:nth-child(3)').focus()),
                   () => page.evaluate(() => document.activeElement.blur())];
  const hovered = [() => page.hover('#feed tr:nth-child(3) td:first-child'), () => page.mouse.move(2, 2)];
  for (const [begin, finish] of [focused, hovered]) {
    await begin();
    const { seqs: before } = await table(page);
    await page.waitForTimeout(1500);
    await page.waitForFunction(() => /^[\d,.]+ more wait/.test(document.querySelector('#waiting').textContent));
    const { seqs, newest } = await table(page);
    assert.deepEqual(seqs, before, 'rows move though somebody is there');
    assert.ok(newest > before[0]);
    await finish();
    await page.waitForFunction(first => shown.get(document.querySelector('#feed tr')).message.seq > first, before[0]);
    const after = await table(page);
    const sent = await ndjson({ contains: 'login', cursor: before[0] - 1, before: after.newest + 1 });
    assert.deepEqual(after.seqs.slice(0, sent.length), sent.map(message => message.seq).reverse().slice(0, 1000));
    await page.waitForFunction(() => document.querySelector('#waiting').textContent === '');
  }
}

async function rowsAreReachedByKeyboard(page) {
  await page.focus('#feed tr:nth-child(2)');
  await page.keyboard.press('ArrowDown');
  const at = () => page.evaluate(() => [...document.querySelectorAll('#feed tr')].indexOf(document.activeElement.closest('tr')));
  assert.equal(await at(), 2);
  await page.keyboard.press('Tab');
  assert.ok(await page.evaluate(() => document.activeElement.matches('.chip')));
  assert.equal(await at(), 2);
  assert.ok(await page.locator('#feed [tabindex="0"]').count() <= 3, 'every row is a stop');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => isHeld()), false);
}

// Nothing at all is asked of the server by a page that nobody sees, and nothing is missing afterwards.
async function restsWhileItIsHidden(page) {
  await setFilter(page, 'contains=login');
  await page.waitForTimeout(500);
  const { from } = await table(page);
  const before = await page.evaluate(() => total - counted);
  await setHidden(page, true);
  await page.waitForTimeout(8000);
  const asked = [];
  const note = request => asked.push(request.url());
  page.on('request', note);
  page.on('websocket', note);
  const stood = await table(page);
  const got = await messagesIn(page, 4000);
  assert.deepEqual([asked, got, (await table(page)).newest], [[], 0, stood.newest]);
  page.off('request', note);
  page.off('websocket', note);
  await setHidden(page, false);
  assert.match(await page.textContent('#state'), /^(connecting|live)$/);
  await page.waitForFunction(stood => isOpen && newest > stood + 2000, stood.newest);
  assert.equal((await table(page)).from, from, 'it was filled again');
  await hasEveryMatch(page, { contains: 'login' });
  assert.equal(await page.textContent('#state'), 'live');
  assert.equal(await page.evaluate(() => total - counted), before, 'what came meanwhile is not counted');
}

async function setHidden(page, isHidden) {
  await page.evaluate(isHidden => {
    Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, isHidden);
}

async function namesAreRead(page) {
  const seen = await page.evaluate(() => {
    const names = ['www.xn--bcher-kva.co.uk', 'xn--e1afmkfd.test', 'xn--abc-.test', 'xn--ab-ipa4482a.test', '192.0.2.1'];
    const td = namesCell(names, []);
    return { bold: [...td.querySelectorAll('.registrable')].map(part => part.textContent),
             decoded: [...td.querySelectorAll('.decoded')].map(part => part.textContent),
             top: names.map(topLevelOf) };
  });
  assert.deepEqual(seen.bold, ['xn--bcher-kva.co.uk', 'xn--e1afmkfd.test', 'xn--abc-.test', 'xn--ab-ipa4482a.test']);
  assert.deepEqual(seen.decoded, ['www.bücher.co.uk', 'пример.test', 'a\\u{202e}bı.test']);
  assert.deepEqual(seen.top, ['uk', 'test', 'test', 'test', null]);
}

async function isAccessibleToAll(page) {
  await setFilter(page, 'contains=paylumen');
  await page.click('#pause');
  await page.$$eval('#feed tr', rows => rows.slice(15).forEach(tr => tr.remove())); // they are all alike, and axe is slow
  await isAccessible(page);
  await page.click('#pause');
}

async function see(page, problems) {
  await page.waitForFunction(() => document.querySelectorAll('#feed tr').length >= 30);
  await showsAReadableSample(page);
  await showsEveryMatch(page);
  await excludes(page);
  await namesAreRead(page);
  await saves(page);
  await isShared(page);
  await curlSampleWorks(page);
  await saysWhatIsWrong(page, problems);
  await chipsFilter(page);
  await rowsStayWhileSomebodyIsThere(page);
  await rowsAreReachedByKeyboard(page);
  await restsWhileItIsHidden(page);
  await isAccessibleToAll(page);
  await keepsTheNewestThousand(page);
}

look(url, see).catch(end);
