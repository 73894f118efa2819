'use strict';
// What the scripts share that look at the front page.
const { chromium } = require('playwright-core');
const assert = require('node:assert/strict');
const fs = require('node:fs');

const PATIENCE = 30000;

// Opens `url` and calls `see` with the page, and with its errors and its requests to anybody else, of which none may be
// left at the end.
async function look(url, see) {
  const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ['--no-sandbox'] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const problems = watch(page, url);
  try {
    await page.goto(url);
    await see(page, problems);
    assert.deepEqual(problems, []);
  } finally {
    problems.forEach(problem => console.error(problem));
    await browser.close();
  }
}

function watch(page, url) {
  const problems = [];
  page.on('pageerror', error => problems.push(`error: ${error.message}`));
  page.on('console', message => { if (message.type() === 'error') problems.push(`console: ${message.text()}`); });
  const ours = new URL(url).host;
  const elsewhere = asked => { if (new URL(asked).host !== ours) problems.push(`a request to ${asked}`); };
  page.on('request', request => { if (!/^(data|blob):/.test(request.url())) elsewhere(request.url()); });
  page.on('websocket', socket => elsewhere(socket.url()));
  return problems;
}

// Fails if there are other problems than those that `expected` matches, and forgets these.
function only(problems, expected) {
  assert.deepEqual(problems.filter(problem => !expected.test(problem)), []);
  problems.length = 0;
}

function end(error) {
  console.error(error);
  process.exit(1);
}

// axe finds nothing: in the light and in the dark, on a phone too, and with a certificate open. It is evaluated from outside,
// so the page's policy holds as it is.
async function isAccessible(page) {
  await page.evaluate(fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
  await page.$eval('#filter-help', help => { help.open = true; });
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    await axeFindsNothing(page, colorScheme);
    await page.click('#feed tr td:first-child');
    await page.waitForSelector('#details[open]');
    await page.$eval('#whole', whole => { whole.open = true; });
    await axeFindsNothing(page, `${colorScheme}, with a certificate`);
    await page.keyboard.press('Escape');
    await page.waitForSelector('#details', { state: 'hidden' });
  }
  await page.setViewportSize({ width: 360, height: 740 });
  await axeFindsNothing(page, 'on a phone');
  await page.setViewportSize({ width: 1280, height: 1000 });
  await page.$eval('#filter-help', help => { help.open = false; });
  await page.evaluate(() => document.activeElement.blur());
  await page.mouse.move(2, 2);
}

async function axeFindsNothing(page, where) {
  const { violations, passes } = await page.evaluate(() => axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')}`);
  assert.deepEqual(found, [], where);
  assert.ok(passes.length > 20, `axe looked at ${passes.length} rules only`);
}

const number = async (page, id) => Number((await page.textContent(id)).replace(/\D/g, ''));
const firstRow = page => page.evaluate(() => document.querySelector('#feed tr')?.textContent);
const moves = (page, before) =>
  page.waitForFunction(was => document.querySelector('#feed tr')?.textContent !== was, before);

// How long the button takes to pause the page, in ms. Of three times, because a page that is blocked is slow each time, and a
// machine that is busy is not.
async function quickestPause(page) {
  const times = [];
  for (const isPaused of [true, false, true]) {
    const begin = Date.now();
    await page.click('#pause');
    await page.waitForSelector(`#pause[aria-pressed=${isPaused}]`);
    times.push(Date.now() - begin);
  }
  return Math.min(...times);
}

module.exports = { PATIENCE, look, watch, only, end, isAccessible, number, firstRow, moves, quickestPause };
